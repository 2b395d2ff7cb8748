# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""VL-ICL Bench's and SMMILE's scores, with what their programs make odd."""

import pytest

from flamingo_jax.evaluation.metrics import (
    SMMILE_EXACT_MATCH, VL_ICL_EXACT_MATCH, VL_ICL_NUMBER, VL_ICL_YES_NO,
)


# Recorded from eval_scores of VL-ICL Bench's evals/eval.py (tasks textocr,
# operator_induction, matching_mi) and normalize_answer of SMMILE's
# evaluate_EM.py; 120,000 and 20,000 random answers were compared besides.
@pytest.mark.parametrize('metric, said, answer, score', [
    (VL_ICL_EXACT_MATCH, ' PINCHIN\nand so on', 'Pinchin', 1),
    (VL_ICL_EXACT_MATCH, 'PINCHIN. It is', 'PINCHIN', 1),
    (VL_ICL_EXACT_MATCH, 'PINCHIN .', 'PINCHIN', 0),  # a space stays
    (VL_ICL_EXACT_MATCH, 'No.7', 'No.7', 0),  # is cut at the full stop
    (VL_ICL_EXACT_MATCH, 'No.7\nor', 'No.7', 1),  # at the line end alone
    (VL_ICL_EXACT_MATCH, '.5', '.5', 1),  # of which nothing would be left
    (VL_ICL_EXACT_MATCH, '3', '3', 1),
    (VL_ICL_EXACT_MATCH, 'three', '3', 0),
    (VL_ICL_NUMBER, 'The answer is 12 or 13', '12', 1),
    (VL_ICL_NUMBER, '-3', '-3', 0),  # the sign is lost
    (VL_ICL_NUMBER, '-3', '3', 1),
    (VL_ICL_NUMBER, '1.5', '1', 1),
    (VL_ICL_NUMBER, 'none\n7', '7', 0),
    (VL_ICL_NUMBER, '', '7', 0),
    (VL_ICL_YES_NO, 'Yes, they do', 'Yes', 1),
    (VL_ICL_YES_NO, 'eyes', 'Yes', 1),
    (VL_ICL_YES_NO, 'They do. Yes', 'Yes', 0),
    (VL_ICL_YES_NO, '', 'No', 1),
    (VL_ICL_YES_NO, 'no, not yes', 'No', 0),
    (SMMILE_EXACT_MATCH, 'black', ' Black. ', 1),
    (SMMILE_EXACT_MATCH, 'Clavicle  fracture\nleft', 'Clavicle fracture, left', 1),
    (SMMILE_EXACT_MATCH, 'left-sided', 'left sided', 0),
    (SMMILE_EXACT_MATCH, 'Yes, it is.', 'Yes', 0),
])
def test_scores_are_the_official_ones(metric, said, answer, score):
  assert metric.rows([{'answers': (answer,)}], [said]).tolist() == [score]

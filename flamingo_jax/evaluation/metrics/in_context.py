# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers as VL-ICL Bench and SMMILE score them, with their oddities.

Read off `evals/eval.py` of github.com/ys-zong/VL-ICL, commit 2b77eee, and
`evaluate_EM.py` of github.com/eth-medical-ai-lab/smmile, commit ab004d2.
"""

from collections.abc import Callable, Sequence
import functools
import re
import string

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target

_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)


def first_line(text: str) -> str:
  """What stands before the first line end or, of one line, full stop."""
  text = text.strip()
  end = text.find('\n')
  if end <= 0:
    end = text.find('.')
  return text[:end] if end > 0 else text


def _first_line(text: str) -> str:
  return first_line(text).lower()


def _number(text: str) -> str:
  """The first digits; a sign before them is lost."""
  found = re.search(r'\d+', first_line(text))
  return found.group() if found else ''


def _yes_or_no(text: str) -> str:
  """No is whatever doesn't say yes."""
  return 'yes' if 'yes' in _first_line(text) else 'no'


def _plain(text: str) -> str:
  """Without capitals, punctuation, and double spaces."""
  return ' '.join(text.lower().translate(_NO_PUNCTUATION).split())


def _matches(
    targets: Sequence[Target], predictions: Sequence[str],
    reads: Callable[[str], str], expects: Callable[[str], str],
) -> np.ndarray:
  return np.array([
      reads(prediction) == expects(target['answers'][0])
      for target, prediction in zip(targets, predictions, strict=True)
  ], float)


def _metric(name, reads, expects=str.lower, notes='') -> Metric:
  measure = functools.partial(_matches, reads=reads, expects=expects)
  return Metric(name, 1, measure, reads=reads, notes=notes)


VL_ICL_EXACT_MATCH = _metric(
    'exact_match', _first_line,
    notes='the first line, or up to the first full stop, without regard to '
    'capitals',
)
VL_ICL_NUMBER = _metric(
    'exact_match', _number,
    notes='the first digits of the first line; as the official program loses '
    'the sign, no answer to a query with a negative result is right',
)
VL_ICL_YES_NO = _metric(
    'exact_yes_no', _yes_or_no,
    notes="an answer whose first line has 'yes' in it is yes, all others no",
)
SMMILE_EXACT_MATCH = _metric(
    'exact_match', _plain, _plain,
    notes='flexible: without capitals and punctuation',
)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of answers and of rankings, as the benchmarks' own programs give them.

Functions over a task's targets for seqio, and `Metric`s for the benchmarks.
"""

from flamingo_jax.evaluation.metrics.captions import CIDER
from flamingo_jax.evaluation.metrics.exact import IVQA_ACCURACY, TOP1
from flamingo_jax.evaluation.metrics.in_context import (
    SMMILE_EXACT_MATCH,
    VL_ICL_EXACT_MATCH,
    VL_ICL_NUMBER,
    VL_ICL_YES_NO,
)
from flamingo_jax.evaluation.metrics.metric import Metric
from flamingo_jax.evaluation.metrics.okvqa import VQA_ACCURACY_STEMMED
from flamingo_jax.evaluation.metrics.ranking import (
    AVERAGE_PRECISION,
    MEAN_TOP1_TOP5,
    MWAP,
    NDCG,
    RANKING_TOP1,
    ROC_AUC,
    STAR_ACCURACY,
)
from flamingo_jax.evaluation.metrics.vqa import (
    TEXTVQA_ACCURACY,
    VQA_ACCURACY,
    VQA_ACCURACY_ALWAYS_NORMALISED,
)
from flamingo_jax.evaluation.metrics.wups import WUPS

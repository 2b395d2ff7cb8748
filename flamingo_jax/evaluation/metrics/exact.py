# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that are right or wrong, word for word."""

from collections.abc import Sequence

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target


def plain(answer: str) -> str:
  """Lower case, single spaces, no full stop: what exact answers compare."""
  return ' '.join(answer.lower().split()).removesuffix('.').strip()


def _top1(targets: Sequence[Target], predictions: Sequence[str]) -> np.ndarray:
  return np.array([
      plain(prediction) in map(plain, target['answers'])
      for target, prediction in zip(targets, predictions, strict=True)
  ], float)


def _ivqa(targets: Sequence[Target], predictions: Sequence[str]) -> np.ndarray:
  counts = [
      sum(plain(prediction) == plain(answer) for answer in target['answers'])
      for target, prediction in zip(targets, predictions, strict=True)
  ]
  return np.minimum(np.array(counts) / 2, 1)


TOP1 = Metric('top1', 1, _top1)
# Right if two of the five annotators say the same, half if one does.
IVQA_ACCURACY = Metric('ivqa_accuracy', 1, _ivqa)

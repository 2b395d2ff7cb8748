# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that are right or wrong, word for word.

Functions are over what a task's postprocessor makes of targets.

seqio tells by the names of the arguments whether a function is for what a
model says (`predictions`) or how likely candidates are (`scores`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flamingo_jax.evaluation.metrics import metric
from flamingo_jax.evaluation.metrics.metric import Metric, Target


def exact_match(
    targets: Sequence[dict[str, Any]], predictions: Sequence[str]
) -> dict[str, float]:
  """The share of predictions that are one of their answers, word for word."""
  hits = [
      prediction in target['answers']
      for target, prediction in zip(targets, predictions, strict=True)
  ]
  return {'exact_match': float(np.mean(hits))}


def word_accuracy(
    targets: Sequence[dict[str, Any]], predictions: Sequence[str]
) -> dict[str, float]:
  """The share of the words of each first answer that are predicted in place.

  Captions of one form ('a large striped red star') tell so what was learned:
  word_accuracy/<n> is over the n-th words, from 1, of those that have one.
  """
  hits: dict[int, list[bool]] = {}
  for target, prediction in zip(targets, predictions, strict=True):
    said = prediction.split()
    for place, word in enumerate(target['answers'][0].split(), 1):
      hits.setdefault(place, []).append(said[place - 1 : place] == [word])
  result = {
      f'word_accuracy/{place}': float(np.mean(found))
      for place, found in sorted(hits.items())
  }
  return {'word_accuracy': float(np.mean(sum(hits.values(), [])))} | result


def ranking_accuracy(
    targets: Sequence[dict[str, Any]], scores: Sequence[float] | np.ndarray
) -> dict[str, float]:
  """The share of queries whose likeliest candidate is right (top-1).

  A query's candidates stand side by side.

  Raises:
    UserError: the last query has not all of them.
  """
  _, scores = metric.by_query(targets, scores)
  best = scores.argmax(axis=1)
  right = [target['is_correct'] for target in targets]
  right = np.reshape(right, scores.shape)
  hits = np.take_along_axis(right, best[:, None], axis=1)
  return {'ranking_accuracy': float(np.mean(hits))}


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

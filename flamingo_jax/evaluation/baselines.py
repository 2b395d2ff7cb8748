# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the shots alone would score, whatever the query shows.

A model that learns from shots without looking at pictures does not beat these.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flamingo_jax.evaluation.metrics.metric import Metric, Target

# What `score` has of shots in random order.
NAMES = ('majority', 'last', 'copied', 'shown')
RATES = ('copied', 'shown')  # those that are no scores

# The answers of a query's shots, in their order.
Labels = Sequence[str]


def score(
    metrics: Sequence[Metric], targets: Sequence[Target],
    labels: Sequence[Labels], outputs: Any, is_nearest_last: bool = False,
) -> dict[str, Any]:
  """What stands beside scores; nothing without shots.

  Args:
    metrics: of a benchmark.
    targets: of each query, what metrics are told.
    labels: of each query.
    outputs: answers, or log-likelihoods [Q C].
    is_nearest_last: whether the last shot is the most similar one (RICES).

  Returns:
    'majority': by metric, the score of the answer that most shots have, of
    several the last shot's; 'last': likewise of the last shot's answer, which is
    'nearest' where that is the most similar one; 'copied': the share of answers,
    as the first metric reads them, that a shot has, in percent; 'shown': the
    share of queries of which a shot has a right answer.
  """
  if not all(labels):
    return {}
  last = 'nearest' if is_nearest_last else 'last'
  found: dict[str, Any] = {
      'majority': _scores(metrics, targets, list(map(_majority, labels))),
      last: _scores(metrics, targets, [of[-1] for of in labels]),
  }
  reads = lambda said: _plain(metrics[0].reads(said))
  given = [
      output if isinstance(output, str)
      else target['candidates'][int(np.argmax(output))]
      for target, output in zip(targets, outputs, strict=True)
  ]
  share = lambda hits: 100 * float(np.mean(hits))
  return found | {
      'copied': share([
          reads(said) in map(reads, of) for said, of in zip(given, labels)
      ]),
      'shown': share([
          not set(map(_plain, of)).isdisjoint(map(_plain, target['answers']))
          for target, of in zip(targets, labels)
      ]),
  }


def _scores(
    metrics: Sequence[Metric], targets: Sequence[Target], answers: Sequence[str]
) -> Mapping[str, float]:
  outputs: Any = [answer.strip() for answer in answers]
  if metrics[0].is_ranking:
    outputs = np.array([
        [float(candidate == answer) for candidate in target['candidates']]
        for target, answer in zip(targets, answers, strict=True)
    ], np.float32)
  return {
      metric.name: metric.score(metric.rows(targets, outputs))
      for metric in metrics
  }


def _majority(labels: Labels) -> str:
  """The answer of most shots; of several such, the one shown last."""
  counts = Counter(labels)
  most = max(counts.values())
  return next(label for label in reversed(labels) if counts[label] == most)


def _plain(answer: str) -> str:
  return ' '.join(answer.casefold().split()).rstrip('.')

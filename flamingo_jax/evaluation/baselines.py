# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the shots alone would score, whatever the query shows.

A model that learns from shots without looking at pictures does not beat these.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flamingo_jax.evaluation.benchmark import Benchmark
from flamingo_jax.evaluation.metrics.metric import Target
from flamingo_jax.evaluation.prompts import Sample


def score(
    benchmark: Benchmark, queries: Sequence[Sample],
    shots: Sequence[Sequence[Sample]], targets: Sequence[Target],
    outputs: Any, is_nearest_last: bool,
) -> dict[str, Any]:
  """What a card says of baselines; nothing without shots.

  Args:
    benchmark: which one.
    queries: what was asked.
    shots: of each, as they were shown.
    targets: of each.
    outputs: answers, or log-likelihoods [Q C].
    is_nearest_last: whether the last shot is the most similar one (RICES).

  Returns:
    'majority': by metric, the score of the answer that most shots have, of
    several the last shot's; 'last': likewise of the last shot's answer, which is
    'nearest' where that is the most similar one; 'copied': the share of answers,
    as the first metric reads them, that a shot has, in percent; 'shown': the
    share of queries of which a shot has a right answer.
  """
  if not all(shots):
    return {}
  said = {
      'majority': list(map(_majority, shots)),
      'nearest' if is_nearest_last else 'last': [
          chosen[-1].answers[0] for chosen in shots
      ],
  }
  found: dict[str, Any] = {
      name: _scores(benchmark, queries, targets, answers)
      for name, answers in said.items()
  }
  reads = lambda said: _plain(benchmark.metrics[0].reads(said))
  labels = [[shot.answers[0] for shot in chosen] for chosen in shots]
  given = [
      output if isinstance(output, str)
      else query.candidates[int(np.argmax(output))]
      for query, output in zip(queries, outputs, strict=True)
  ]
  share = lambda hits: 100 * float(np.mean(hits))
  return found | {
      'copied': share([
          reads(said) in map(reads, of) for said, of in zip(given, labels)
      ]),
      'shown': share([
          not set(map(_plain, of)).isdisjoint(map(_plain, query.answers))
          for query, of in zip(queries, labels)
      ]),
  }


def _scores(
    benchmark: Benchmark, queries: Sequence[Sample],
    targets: Sequence[Target], answers: Sequence[str],
) -> Mapping[str, float]:
  outputs: Any = [answer.strip() for answer in answers]
  if benchmark.is_close_ended:
    outputs = np.array([
        [float(candidate == answer) for candidate in query.candidates]
        for query, answer in zip(queries, answers, strict=True)
    ], np.float32)
  return {
      metric.name: metric.score(metric.rows(targets, outputs))
      for metric in benchmark.metrics
  }


def _majority(shots: Sequence[Sample]) -> str:
  """The answer of most shots; of several such, the one shown last."""
  answers = [shot.answers[0] for shot in shots]
  counts = Counter(answers)
  most = max(counts.values())
  return next(a for a in reversed(answers) if counts[a] == most)


def _plain(answer: str) -> str:
  return ' '.join(answer.casefold().split()).rstrip('.')

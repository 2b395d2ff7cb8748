# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark's metric: a score in percent and its interval over examples."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

from absl import logging
import numpy as np

from flamingo_jax.errors import UserError

# What a metric is told of a query: 'answers', all that are right; 'candidates',
# texts, if it is close-ended; 'record', what its benchmark's reader adds.
Target = Mapping[str, Any]

_INTERVAL = (2.5, 97.5)  # percentiles
_RESAMPLES_OF_MEANS = 1000
_RESAMPLES = 100  # of what takes long to aggregate
_SEED = 0  # of the resampling: one result always has one interval


def _whole(said: str) -> str:
  return said


def _mean(rows: np.ndarray) -> float:
  return float(np.mean(rows))


class Unavailable(UserError):
  """A metric's package or data is not here."""


@dataclasses.dataclass(frozen=True)
class Metric:
  """How a benchmark scores what a model says, or how likely candidates are."""

  name: str  # as it is printed
  version: int  # to be raised whenever a score may change; cards have it
  # Of (targets[Q], what the model says: str[Q], or log-likelihoods f32[Q C] of
  # a close-ended benchmark): Q rows, one per query.
  measure: Callable[[Sequence[Target], Any], np.ndarray]
  # Rows to the score, a share; their mean if not given.
  aggregate: Callable[[np.ndarray], float] = _mean
  is_ranking: bool = False  # whether it is of log-likelihoods
  notes: str = ''  # what decides the score beside the texts
  # Names the program that cuts texts into words, where machines have others.
  tokenizer: Callable[[], str] | None = None
  # What it takes for the answer in all that was said.
  reads: Callable[[str], str] = _whole

  def rows(self, targets: Sequence[Target], outputs: Any) -> np.ndarray:
    """A row per query.

    Raises:
      UserError: there are no queries, or the metric is not defined for them.
    """
    if not len(targets):
      raise UserError(f'{self.name} of no examples is not defined: add some')
    if len(targets) != len(outputs):
      raise UserError(
          f'{self.name}: {len(outputs)} answers to {len(targets)} examples'
      )
    return self.measure(targets, outputs)

  def score(self, rows: np.ndarray) -> float:
    """The score of rows, in percent."""
    return 100.0 * self.aggregate(rows)

  def interval(self, rows: np.ndarray) -> tuple[float, float]:
    """95 % interval over examples: a percentile bootstrap, always the same.

    Resamples for which the metric is not defined are left out.
    """
    rng = np.random.default_rng(_SEED)
    is_mean = self.aggregate is _mean
    scores = []
    for _ in range(_RESAMPLES_OF_MEANS if is_mean else _RESAMPLES):
      chosen = rows[rng.integers(0, len(rows), len(rows))]
      try:
        scores.append(self.score(chosen))
      except UserError:
        continue
    if not scores:
      return float('nan'), float('nan')
    low, high = np.percentile(scores, _INTERVAL)
    return float(low), float(high)

  def seqio_function(self) -> Callable[..., dict[str, float]]:
    """The metric as a function of a seqio task's targets and outputs.

    Beside the score it gives the ends of its interval and, of targets with the
    'labels' of their shots, what these alone would score.
    """

    from flamingo_jax.evaluation import baselines  # which is made of metrics

    def report(targets, outputs):
      try:
        rows = self.rows(targets, outputs)
      except Unavailable as error:  # others have their scores all the same
        logging.warning('%s is left out: %s', self.name, error)
        return {}
      low, high = self.interval(rows)
      labels = [target.get('labels', ()) for target in targets]
      beside = baselines.score([self], targets, labels, outputs)
      return {
          self.name: self.score(rows),
          f'{self.name}_low': low,
          f'{self.name}_high': high,
          **{f'{self.name}_{name}': value[self.name] if isinstance(
              value, Mapping) else value for name, value in beside.items()},
      }

    if self.is_ranking:
      return lambda targets, scores: report(*by_query(targets, scores))
    return lambda targets, predictions: report(targets, predictions)


def rehearse(
    metrics: Sequence[Metric], targets: Sequence[Target]
) -> tuple[tuple[Metric, ...], dict[str, str]]:
  """The metrics that can be computed here, and by name why others can't.

  Right answers are scored, so that what cannot be is known at once.

  Args:
    metrics: of a benchmark; the first is needed, others stand beside it.
    targets: of queries; of those with secret answers no metric is found.

  Raises:
    UserError: a metric is not defined for these queries; the first lacks a
      package or data.
  """
  if not all(target['answers'] for target in targets):
    return (), {}
  found, left_out = [], {}
  said = [target['answers'][0] for target in targets]
  for metric in metrics:
    outputs = said
    if metric.is_ranking:
      outputs = np.zeros((len(targets), len(targets[0]['candidates'])))
    try:
      metric.score(metric.rows(targets, outputs))
    except Unavailable as error:
      if not found:
        raise
      left_out[metric.name] = str(error)
    else:
      found.append(metric)
  return tuple(found), left_out


def by_query(
    targets: Sequence[Target], scores: Sequence[float] | np.ndarray
) -> tuple[list[Target], np.ndarray]:
  """Examples of one candidate each to (queries, log-likelihoods[Q C]).

  Raises:
    UserError: the last query has not all of its candidates.
  """
  count = targets[0]['candidates'] if targets else 1
  if len(targets) % count:
    raise UserError(
        f'{len(targets)} examples are not whole queries of {count} candidates '
        f'each: make NUM_EXAMPLES a multiple of {count}'
    )
  queries = [
      {
          **targets[first],
          'candidates': [
              target['candidate'] for target in targets[first : first + count]
          ],
      }
      for first in range(0, len(targets), count)
  ]
  return queries, np.reshape(np.asarray(scores, np.float32), (-1, count))

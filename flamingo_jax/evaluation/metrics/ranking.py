# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of candidates' log-likelihoods [Q C], for close-ended benchmarks."""

from collections.abc import Mapping, Sequence
import functools

import numpy as np

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.metrics.metric import Metric, Target


def _right(targets: Sequence[Target]) -> np.ndarray:
  """bool[Q C]: which candidates are an answer."""
  return np.array([
      [text in target['answers'] for text in target['candidates']]
      for target in targets
  ])


def _ranks(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  """int[Q]: how many candidates are likelier than the first right one."""
  order = np.argsort(-np.asarray(scores), axis=1, kind='stable')
  return np.take_along_axis(_right(targets), order, axis=1).argmax(axis=1)


def _top1(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  return (_ranks(targets, scores) < 1).astype(float)


def _top1_top5(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  ranks = _ranks(targets, scores)
  return ((ranks < 1).astype(float) + (ranks < 5)) / 2


def _typed_top1(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  """(is right, number of the question's type) of each query."""
  types = [target['record']['type'] for target in targets]
  numbers = {name: i for i, name in enumerate(sorted(set(types)))}
  return np.stack(
      [_top1(targets, scores), [numbers[name] for name in types]], axis=1
  )


def _mean_of_types(rows: np.ndarray) -> float:
  return float(np.mean(
      [rows[rows[:, 1] == number, 0].mean() for number in set(rows[:, 1])]
  ))


def _probability(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  """(is the last candidate right, its probability among all) of each query."""
  scores = np.asarray(scores, np.float64)
  share = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
  return np.stack([_right(targets)[:, -1], share[:, -1]], axis=1)


def _of_classes(rows: np.ndarray, name: str, function: str) -> float:
  """What a function of sklearn.metrics makes of `_probability`."""
  import sklearn.metrics

  labels, probabilities = rows[:, 0], rows[:, 1]
  if len(set(labels)) < 2:
    raise UserError(
        f'{name} is not defined, as all examples have the same label: '
        'evaluate more'
    )
  return float(getattr(sklearn.metrics, function)(labels, probabilities))


def _ndcg(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  """VisDial's NDCG@k, where k candidates have a relevance above 0."""
  values = []
  for target, row in zip(targets, np.asarray(scores), strict=True):
    if target['record']['relevance'] is None:
      raise UserError(
          'NDCG is not defined for a split without dense annotations: evaluate '
          "'validation'"
      )
    relevance = np.asarray(target['record']['relevance'], float)
    count = int(np.sum(relevance != 0))
    if not count:
      raise UserError(
          'NDCG is not defined for a dialogue without a relevant answer: '
          'leave it out'
      )
    gain = lambda chosen: np.sum(
        chosen[:count] / np.log2(np.arange(count) + 2)
    )
    ranked = relevance[np.argsort(-row, kind='stable')]
    values.append(gain(ranked) / gain(np.sort(relevance)[::-1]))
  return np.array(values)


def _clips(targets: Sequence[Target], scores: np.ndarray) -> np.ndarray:
  """Each clip's record with its scores by class."""
  rows = np.empty(len(targets), object)
  for i, (target, row) in enumerate(zip(targets, scores, strict=True)):
    rows[i] = target['record'] | {'scores': row}
  return rows


def _groups(
    clips: Mapping[str, np.ndarray], verb: str, noun: str
) -> list[np.ndarray]:
  """Positive, negative and hard negative clips of an action (RareAct).

  A clip of its own row is positive (1), negative (0) or hard (2 to 4: only the
  verb, only the noun, or both but not together). A positive clip of another
  action that shares the verb or the noun is hard too, any other is negative.
  """
  has_verb, has_noun = clips['verb'] == verb, clips['noun'] == noun
  own, grade = has_verb & has_noun, clips['annotation']
  other = ~own & (grade == 1)
  hard = other & (has_verb | has_noun)
  return [
      np.flatnonzero(mask) for mask in (
          own & (grade == 1),
          (own & (grade == 0)) | (other & ~hard),
          (own & (grade > 1)) | hard,
      )
  ]


def _mwap(rows: np.ndarray) -> float:
  """Mean over actions of average precision, clips of a video sharing a weight.

  Raises:
    UserError: no action has a positive clip.
  """
  from sklearn.metrics import average_precision_score

  clips = {
      key: np.array([row[key] for row in rows])
      for key in ('verb', 'noun', 'annotation', 'video')
  }
  actions = {(row['verb'], row['noun']): row['class_id'] for row in rows}
  values = []
  for (verb, noun), number in actions.items():
    groups = _groups(clips, verb, noun)
    if not groups[0].size:
      continue
    weights = []
    for group in groups:
      videos = clips['video'][group]
      _, place, counts = np.unique(
          videos, return_inverse=True, return_counts=True
      )
      weights.append(1 / counts[place])
    chosen = np.concatenate(groups)
    labels = np.arange(len(chosen)) < len(groups[0])
    scores = [rows[i]['scores'][number] for i in chosen]
    values.append(average_precision_score(
        labels, scores, sample_weight=np.concatenate(weights)
    ))
  if not values:
    raise UserError('mWAP is not defined without a positive clip: add some')
  return float(np.mean(values))


_ranking = functools.partial(Metric, is_ranking=True)
RANKING_TOP1 = _ranking('top1', 1, _top1)
MEAN_TOP1_TOP5 = _ranking('mean_top1_top5', 1, _top1_top5)
STAR_ACCURACY = _ranking(
    'star_accuracy', 1, _typed_top1, _mean_of_types,
    notes='mean over the types of questions',
)
ROC_AUC = _ranking('roc_auc', 1, _probability, functools.partial(
    _of_classes, name='ROC AUC', function='roc_auc_score'
))
AVERAGE_PRECISION = _ranking(
    'average_precision', 1, _probability, functools.partial(
        _of_classes, name='average precision',
        function='average_precision_score',
    )
)
NDCG = _ranking('ndcg', 1, _ndcg)
MWAP = _ranking('mwap', 1, _clips, _mwap)

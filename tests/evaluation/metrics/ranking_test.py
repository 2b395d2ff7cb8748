# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of rankings: hand-worked, or stored from the official programs."""

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import metrics


def score(metric, targets, scores):
  return metric.score(metric.rows(targets, np.array(scores)))


def targets(*answers, candidates=('no', 'yes'), types=None):
  return [
      {'answers': (a,), 'candidates': candidates,
       'record': {'type': types and types[i]}}
      for i, a in enumerate(answers)
  ]


def test_top1_and_top5():
  asked = targets('c', 'f', 'a', candidates='abcdef')
  rows = [[0, 0, 1, 0, 0, 0], [5, 4, 3, 2, 1, 0], [1, 9, 0, 0, 0, 0]]
  assert score(metrics.RANKING_TOP1, asked, rows) == pytest.approx(100 / 3)
  # Top-1 is right once, top-5 twice: of 'f' five are likelier.
  assert score(metrics.MEAN_TOP1_TOP5, asked, rows) == pytest.approx(50)


def test_star_is_a_mean_over_types():
  asked = targets('yes', 'yes', 'yes', 'yes',
                  types=['Sequence', 'Sequence', 'Sequence', 'Feasibility'])
  rows = [[0, 1], [0, 1], [1, 0], [1, 0]]
  assert score(metrics.STAR_ACCURACY, asked, rows) == pytest.approx(100 / 3)


def test_roc_auc_and_average_precision_of_the_probability_of_yes():
  asked = targets('yes', 'no', 'yes', 'no')
  # p(yes) = 0.8, 0.5, 0.4, 0.2, whatever the likelihoods' level.
  rows = np.array(
      [np.log([1 - p, p]) - 7 * i for i, p in enumerate((.8, .5, .4, .2))]
  )
  assert score(metrics.ROC_AUC, asked, rows) == pytest.approx(75)
  expected = 100 * (1 + 2 / 3) / 2
  found = score(metrics.AVERAGE_PRECISION, asked, rows)
  assert found == pytest.approx(expected)
  low, high = metrics.ROC_AUC.interval(metrics.ROC_AUC.rows(asked, rows))
  assert 0 <= low < 75 <= high <= 100


@pytest.mark.parametrize('metric', [metrics.ROC_AUC, metrics.AVERAGE_PRECISION])
def test_one_class_is_refused(metric):
  with pytest.raises(UserError, match='all examples have the same label'):
    score(metric, targets('yes', 'yes'), [[0, 1], [1, 0]])


def test_ndcg_is_that_of_the_visdial_starter_code():
  asked = [{'record': {'relevance': [0.5, 0, 1, 0.5]}}]
  found = score(metrics.NDCG, asked, [[0.1, 0.9, 0.3, 0.5]])
  assert found == pytest.approx(52.09090851403014)
  assert score(metrics.NDCG, asked, [[0.5, 0, 0.9, 0.4]]) == 100
  with pytest.raises(UserError, match='without a relevant answer'):
    score(metrics.NDCG, [{'record': {'relevance': [0.0, 0.0]}}], [[1, 2]])


CLIPS = (  # video, class, verb, noun, annotation
    ('a', 0, 'cut', 'phone', 1), ('a', 0, 'cut', 'phone', 1),
    ('b', 0, 'cut', 'phone', 0), ('c', 0, 'cut', 'phone', 3),
    ('d', 1, 'cut', 'shirt', 1), ('d', 1, 'cut', 'shirt', 2),
    ('e', 1, 'cut', 'shirt', 0), ('f', 2, 'fry', 'shirt', 1),
    ('g', 2, 'fry', 'shirt', 4), ('f', 2, 'fry', 'shirt', 0),
    ('h', 3, 'eat', 'soap', 0),
)


def clips(rows):
  names = ('video', 'class_id', 'verb', 'noun', 'annotation')
  return [{'record': dict(zip(names, row, strict=True))} for row in rows]


def test_mwap_is_that_of_the_official_program():
  # On rows of the real rareact.csv and random scores, too, both programs
  # gave 2.2913866881507.
  scores = np.sin(np.arange(44).reshape(11, 4) * 1.7)
  found = score(metrics.MWAP, clips(CLIPS), scores)
  assert found == pytest.approx(34.32539682539682)
  with pytest.raises(UserError, match='without a positive clip'):
    score(metrics.MWAP, clips(CLIPS[2:4]), scores[2:4])


def test_unfinished_queries_are_refused():
  cells = [{'candidates': 2, 'candidate': 'a', 'answers': ['a']}] * 3
  with pytest.raises(UserError, match='3 examples are not whole queries of 2'):
    metrics.RANKING_TOP1.seqio_function()(cells, [0.0, 1.0, 2.0])

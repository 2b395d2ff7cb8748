# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Exact answers, and what all metrics have in common, worked by hand."""

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import metrics


def targets(*answers):
  return [{'answers': list(a)} for a in answers]


def test_an_answer_is_right_if_it_is_any_of_those_given():
  rows = metrics.TOP1.rows(
      targets(['red'], ['two', '2'], ['a cat'], [''], *3 * [['dog']]),
      ['red', '2', 'cat', '', 'Dog. ', 'dogs', ''],
  )
  assert rows.tolist() == [1, 1, 0, 1, 1, 0, 0]


def test_two_annotators_make_an_ivqa_answer_right():
  five = ['spoon', 'spoon', 'metal spoon', 'fork', 'spoon']
  rows = metrics.IVQA_ACCURACY.rows(
      targets(five, five, five), ['Spoon', 'fork', 'knife']
  )
  assert rows.tolist() == [1, 0.5, 0]


def test_a_metric_s_interval_is_around_its_score_and_always_the_same():
  rng = np.random.default_rng(3)
  rows = (rng.random(400) < 0.3).astype(float)
  score = metrics.TOP1.score(rows)
  low, high = metrics.TOP1.interval(rows)
  assert (low, high) == metrics.TOP1.interval(rows)
  # The normal approximation: 1.96 standard errors on either side.
  width = 196 * rows.std() / np.sqrt(400)
  assert low == pytest.approx(score - width, abs=1)
  assert high == pytest.approx(score + width, abs=1)


@pytest.mark.parametrize('said', [[], ['a', 'b']])
def test_no_examples_and_lost_answers_are_refused(said):
  asked = targets(['x']) if said else []
  with pytest.raises(UserError, match='no examples|2 answers to 1 examples'):
    metrics.TOP1.rows(asked, said)


def test_seqio_gets_score_and_interval():
  report = metrics.TOP1.seqio_function()
  assert report(targets(['x'], ['y']), ['x', 'x']) == {
      'top1': 50.0, 'top1_low': 0.0, 'top1_high': 100.0
  }
  cells = [
      {'candidates': 2, 'candidate': text, 'answers': ['b']} for text in 'abab'
  ]
  report = metrics.RANKING_TOP1.seqio_function()
  assert report(cells, [-2.0, -1.0, -1.0, -2.0])['top1'] == 50.0

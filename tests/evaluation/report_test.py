# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and plots of scores: intervals, and what stands beside a score."""

import numpy as np
import pytest

from flamingo_jax.evaluation import report


def card(score, seed=0, order=0, **baselines):
  return {
      'benchmark': 'x', 'queries': 9, 'missing': [], 'left_out': {},
      'settings': {'shots': 4, 'seed': seed, 'order': order, 'split': 't'},
      'prompt': {'beyond_context': []}, 'baselines': baselines,
      'scores': {'top1': {'score': score, 'low': score - 2, 'high': score + 4}},
  }


def test_seeds_have_an_interval_of_their_own():
  (row,) = report.summarise([card(50.0, 0), card(52.0, 1), card(54.0, 2)])
  assert (row['score'], row['low'], row['high']) == (52, 50, 56)
  # 4.302653 standard errors: 2 / sqrt(3).
  assert row['seeds_high'] - 52 == pytest.approx(4.302653 * 2 / 3**0.5)
  # Of many seeds, too, it is not yet the normal distribution.
  (row,) = report.summarise([card(float(i), i) for i in range(12)])
  spread = np.std(range(12), ddof=1) / 12**0.5
  assert row['seeds_high'] - row['score'] == pytest.approx(2.200985 * spread)
  assert row['orders_low'] is None
  (row,) = report.summarise([card(50.0)])
  assert row['seeds_low'] is None


def test_orders_have_theirs_whatever_the_seeds_are():
  scores = {(0, 0): 50.0, (0, 1): 54.0, (1, 0): 70.0, (1, 1): 72.0}
  (row,) = report.summarise([card(s, *draw) for draw, s in scores.items()])
  assert (row['score'], row['seeds'], row['orders']) == (61.5, 2, 2)
  # Two degrees of freedom: variances of 8 and 2, of which the mean is 5.
  half = 4.302653 * (5 / 4) ** 0.5
  assert row['orders_high'] - 61.5 == pytest.approx(half)
  assert 61.5 - row['orders_low'] == pytest.approx(half)
  # Over seeds: 52 and 71; one degree of freedom.
  half = 12.706205 * (9.5 * 2**0.5) / 2**0.5
  assert row['seeds_high'] - 61.5 == pytest.approx(half)
  table = report.table_of_scores([row])
  assert '-59.21 to 182.21' in table.splitlines()[1]
  assert 'over seeds' in table and 'over orders' in table
  (row,) = report.summarise([card(50.0, 0, 0), card(54.0, 0, 1)])
  assert row['seeds_low'] is None and row['orders_low'] < 50
  assert 'over seeds' not in report.table_of_scores([row])


def test_controls_stand_beside_the_score_in_the_table_and_the_plot():
  beside = {'majority': {'top1': 20.0}, 'copied': 40.0}
  rows = report.summarise([
      card(50.0, 0, **beside, no_pictures={'top1': 30.0}),
      card(52.0, 1, **beside, no_pictures={'top1': 32.0}),
  ])
  (row,) = rows
  assert (row['no_pictures'], row['majority'], row['last']) == (31, 20, None)
  table = report.table_of_scores(rows)
  lines = table.split('beside the score:\n')[1].splitlines()
  assert lines[0].split() == [
      'shots', 'metric', 'score', 'majority', 'copied', 'no_pictures'
  ]
  assert lines[1].split() == ['4', 'top1', '51.00', '20.00', '40.00', '31.00']
  assert 'no_pictures: the model, with no pictures' in lines
  panel = report.panel(rows)
  assert panel.dashed == ['majority', 'no pictures']
  assert panel.curves[panel.dashed[1]] == {4: (31.0, None, None)}

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the permutation that orders an epoch."""

import itertools

import numpy as np
import pytest

from flamingo_jax.data import shuffling


def _order(size, *key):
  return [shuffling.shuffled(i, size, key) for i in range(size)]


@pytest.mark.parametrize('size', [1, 2, 3, 5, 16, 17, 64, 65, 1000])
def test_every_index_comes_once(size):
  for epoch in range(3):
    assert sorted(_order(size, 0, epoch)) == list(range(size))


def test_the_key_alone_decides_the_order():
  assert _order(50, 1, 2) == _order(50, 1, 2)
  orders = [_order(50, *key) for key in itertools.product(range(5), range(5))]
  orders += [_order(50, 2**40, 0), _order(50, 0, 2**40)]
  assert len({tuple(order) for order in orders}) == 27


def test_all_orders_of_a_few_are_equally_likely():
  counts = {order: 0 for order in itertools.permutations(range(4))}
  for epoch in range(2400):
    counts[tuple(_order(4, 0, epoch))] += 1
  # 100 each, give or take four standard deviations.
  assert all(abs(count - 100) < 4 * np.sqrt(100) for count in counts.values())


@pytest.mark.parametrize('size', [5, 16])
def test_places_are_uniform_over_epochs(size):
  epochs = 1000
  counts = np.zeros((size, size))
  for epoch in range(epochs):
    counts[np.arange(size), _order(size, 7, epoch)] += 1
  # chi-squared with (size - 1)^2 degrees of freedom
  expected = epochs / size
  statistic = ((counts - expected) ** 2 / expected).sum()
  freedom = (size - 1) ** 2
  assert abs(statistic - freedom) < 4 * np.sqrt(2 * freedom)


def test_neighbours_do_not_stay_neighbours():
  order = np.array(_order(5_000, 3))
  assert (np.abs(np.diff(order)) == 1).mean() < 0.002
  assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.05


def test_the_largest_sets_need_no_table():
  size = 10**12
  places = {shuffling.shuffled(i, size, (0,)) for i in range(1000)}
  assert len(places) == 1000
  assert 0 <= min(places) and max(places) < size


@pytest.mark.parametrize('index', [-1, 5])
def test_an_index_outside_is_refused(index):
  with pytest.raises(ValueError, match=rf'index {index} is not in range\(5\)'):
    shuffling.shuffled(index, 5, (0,))

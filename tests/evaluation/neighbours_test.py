# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest rows are the same ones, in the same order, on any devices."""

import jax
import numpy as np
import pytest

from flamingo_jax.evaluation import neighbours


def unit(rows):
  rows = np.asarray(rows)
  return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype('f4')


def nearest(rows, queries, count, devices, owners=None, asking=None):
  owners = np.arange(len(rows)) if owners is None else owners
  asking = np.full(len(queries), neighbours.ALL) if asking is None else asking
  table = neighbours.Table(rows, owners, jax.devices()[:devices])
  return table.nearest(queries, asking, count)


@pytest.fixture(scope='module', name='near_ties')
def near_ties_fixture():
  """Rows, queries, and the one order that the rows have for each query.

  Cosines are of five levels, 1e-5 apart. Rows of one level are permutations of
  each other where the queries are constant, so that all have one cosine, but
  not one sum of float32.
  """
  rng = np.random.default_rng(0)
  halves = unit(rng.normal(size=256) + 0.5).reshape(2, 128)
  levels = rng.integers(5, size=203)
  rows = []
  for level in levels:
    moved = halves + np.float32(2e-6) * np.array([[level], [0]], np.float32)
    rows.append(np.concatenate([rng.permutation(half) for half in moved]))
  queries = unit([np.repeat([first, 1], 128) for first in (1, 0.7, 1.5)])
  return np.stack(rows), queries, np.argsort(-levels, kind='stable')


@pytest.mark.parametrize('devices', [1, 2, 4, 8])
@pytest.mark.parametrize('tile, block', [(4096, 128), (16, 1), (5, 2)])
def test_near_ties_have_one_order(
    devices, tile, block, near_ties, monkeypatch
):
  monkeypatch.setattr(neighbours, '_TILE', tile)
  monkeypatch.setattr(neighbours, '_BLOCK', block)
  rows, queries, order = near_ties
  for count in (203, 7):
    found = nearest(rows, queries, count, devices)
    np.testing.assert_array_equal(found, np.tile(order[:count], (3, 1)))


def test_sums_that_are_rounded_have_another(near_ties, monkeypatch):
  monkeypatch.setattr(neighbours, '_STEPS', 30_000)
  rows, queries, order = near_ties
  for devices in (1, 8):
    assert np.mean(nearest(rows, queries, 203, devices) == order) < 0.5


def test_cosines_are_right_to_a_few_millionths():
  rng = np.random.default_rng(1)
  rows = unit(rng.normal(size=(500, 96)))
  queries = unit(rng.normal(size=(9, 96)))
  cosines = queries.astype(np.float64) @ rows.astype(np.float64).T
  found = np.take_along_axis(cosines, nearest(rows, queries, 20, 4), axis=1)
  largest = -np.sort(-cosines, axis=1)[:, :20]
  np.testing.assert_allclose(found, largest, rtol=0, atol=3e-6)
  # A coarse step alone would be wrong by 1e-4, and orders would show it.
  assert np.max(np.diff(found)) < 3e-6


@pytest.mark.parametrize('devices', [1, 8])
def test_rows_of_the_one_who_asks_are_left_out(devices):
  rows = unit([[10, i] for i in range(10)])
  owners = np.array([0, 1, 0, 0, 2, 0, 3, 3, 0, 4])
  queries, asking = rows[[0, 0, 9]], np.array([0, neighbours.ALL, 4])
  found = nearest(rows, queries, 4, devices, owners, asking)
  np.testing.assert_array_equal(
      found, [[1, 4, 6, 7], [0, 1, 2, 3], [8, 7, 6, 5]]
  )
  # More than there are: 5 are of others than 0, and 10 in all.
  found = nearest(rows, queries, 12, devices, owners, asking)
  np.testing.assert_array_equal(found[0], [1, 4, 6, 7, 9] + 5 * [-1])
  np.testing.assert_array_equal(found[1], range(10))


def test_longest_rows_are_added_without_rounding():
  # Each coordinate is almost between two steps, where most is left over.
  signs = np.random.default_rng(2).choice([-1, 1], size=(2, 4096))
  rows = (signs * 62.4999 / 4000).astype('f4')
  coarse, fine = neighbours._in_steps(rows)
  assert np.abs(fine).min() == 32 and np.linalg.norm(rows, axis=1).max() <= 1
  total = lambda a, b: np.sum(np.abs(a.astype(int) * b.astype(int)), axis=1)
  for products in (total(coarse, coarse), total(coarse, fine)):
    assert products.max() < 2**24


def test_rows_whose_sums_would_be_rounded_are_refused():
  with pytest.raises(ValueError, match='4097 coordinates, more than 4096'):
    neighbours.Table(
        np.zeros((1, 4097), np.float32), np.zeros(1, np.int32), jax.devices()
    )

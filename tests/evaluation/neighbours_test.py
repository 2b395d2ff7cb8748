# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest rows are the same ones, in the same order, on any machine."""

import fractions

import numpy as np
import pytest

from flamingo_jax.evaluation import neighbours


def unit(rows):
  rows = np.asarray(rows)
  return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype('f4')


def nearest(rows, queries, count):
  return neighbours.nearest(
      rows, np.arange(len(rows)), queries,
      np.full(len(queries), neighbours.ALL), count,
  )


@pytest.fixture(scope='module', name='near_ties')
def near_ties_fixture():
  """Rows, queries, and the one order that the rows have for each query.

  Cosines are of five levels, 1e-6 apart. Rows of one level are permutations of
  each other where the queries are constant, so that all have one cosine, but
  not one sum of floats.
  """
  rng = np.random.default_rng(0)
  halves = unit(rng.normal(size=256) + 0.5).reshape(2, 128)
  levels = rng.integers(5, size=203)
  rows = []
  for level in levels:
    moved = halves + np.float32(2e-7) * np.array([[level], [0]], np.float32)
    rows.append(np.concatenate([rng.permutation(half) for half in moved]))
  queries = unit([np.repeat([first, 1], 128) for first in (1, 0.7, 1.5)])
  return np.stack(rows), queries, np.argsort(-levels, kind='stable')


@pytest.mark.parametrize('tile, block', [(8192, 128), (16, 1), (5, 2)])
def test_near_ties_have_one_order(tile, block, near_ties, monkeypatch):
  monkeypatch.setattr(neighbours, '_TILE', tile)
  monkeypatch.setattr(neighbours, '_BLOCK', block)
  rows, queries, order = near_ties
  for count in (203, 7):
    found = nearest(rows, queries, count)
    np.testing.assert_array_equal(found, np.tile(order[:count], (3, 1)))


def test_floats_have_another_order(near_ties):
  rows, queries, order = near_ties
  for kind in (np.float32, np.float64):
    sums = queries.astype(kind) @ rows.astype(kind).T
    found = np.argsort(-sums, axis=1, kind='stable')
    assert np.mean(found == order) < 0.9


def test_sums_are_exact_and_cosines_right_to_a_millionth():
  rng = np.random.default_rng(1)
  rows = unit(rng.normal(size=(40, 4096)))
  steps = neighbours._in_steps(rows)
  sums = steps @ steps.T
  whole = [[int(x) for x in row] for row in steps]
  assert sums[3, 5] == sum(a * b for a, b in zip(whole[3], whole[5]))
  assert sums[3, 3] == sum(a * a for a in whole[3]) < 2**53
  exact = [fractions.Fraction(float(x)) for x in rows[3]]
  cosine = sum(a * fractions.Fraction(float(b)) for a, b in zip(exact, rows[5]))
  assert abs(sums[3, 5] / 2**52 - float(cosine)) < 1e-6


def test_rows_of_the_one_who_asks_are_left_out():
  rows = unit([[10, i] for i in range(10)])
  owners = np.array([0, 1, 0, 0, 2, 0, 3, 3, 0, 4])
  queries, asking = rows[[0, 0, 9]], np.array([0, neighbours.ALL, 4])
  found = neighbours.nearest(rows, owners, queries, asking, 4)
  np.testing.assert_array_equal(
      found, [[1, 4, 6, 7], [0, 1, 2, 3], [8, 7, 6, 5]]
  )
  # More than there are: 5 are of others than 0, and 10 in all.
  found = neighbours.nearest(rows, owners, queries, asking, 12)
  np.testing.assert_array_equal(found[0], [1, 4, 6, 7, 9] + 5 * [-1])
  np.testing.assert_array_equal(found[1], range(10))

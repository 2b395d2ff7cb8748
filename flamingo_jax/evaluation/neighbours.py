# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest rows of a table: the same ones, in the same order, anywhere.

Sums of floats depend on their order, and that on the machine. So cosines are
sums of integers here, of the coordinates in steps of 1/_STEPS: by Cauchy and
Schwarz no sum of products of two rows of length 1, nor any part of it, is much above
_STEPS**2, and float64 has all integers up to 2**53.
"""

import numpy as np

from flamingo_jax.typing import Float, Int

_STEPS = 2**26
_BLOCK = 128  # queries at once
_TILE = 8192  # rows at once
ALL = -1  # asks and owns no row


def nearest(
    rows: Float[np.ndarray, 'N Dv'], owners: Int[np.ndarray, ' N'],
    queries: Float[np.ndarray, 'Q Dv'], asking: Int[np.ndarray, ' Q'],
    count: int,
) -> Int[np.ndarray, 'Q k']:
  """The rows of largest cosine with each query, the largest first.

  Of rows with the same cosine the first one comes first.

  Args:
    rows: of length 1.
    owners: whose a row is, from 0; it is not compared with queries of theirs.
    queries: of length 1.
    asking: whose a query is, or ALL.
    count: how many.

  Returns:
    Places of the rows, as many as are asked for and there; -1 in the place of
    those that a query is not compared with.
  """
  count = min(count, len(rows))
  found = np.full((len(queries), count), -1)
  for start in range(0, len(queries), _BLOCK):
    block = slice(start, start + _BLOCK)
    asked = _in_steps(queries[block])
    cosines = np.concatenate([
        asked @ _in_steps(rows[tile : tile + _TILE]).T
        for tile in range(0, len(rows), _TILE)
    ], axis=1)
    cosines[asking[block, None] == owners] = -np.inf
    for places, row in zip(found[block], cosines):
      least = np.partition(row, -count)[-count]
      near = np.flatnonzero((row >= least) & (row > -np.inf))
      near = near[np.argsort(-row[near], kind='stable')][:count]
      places[: len(near)] = near
  return found


def _in_steps(rows: Float[np.ndarray, 'n Dv']) -> Float[np.ndarray, 'n Dv']:
  return np.rint(rows.astype(np.float64) * _STEPS)

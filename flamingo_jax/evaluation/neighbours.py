# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest rows of a table that is split over devices.

Sums of floats depend on their order, and that on the shapes that a device has.
So cosines are sums of integers here, which float32 adds without rounding: of the
rows' coordinates in steps of 1/_STEPS, and of what is left in steps of
1/(_STEPS * _FINER). Which rows are nearest, and in which order, depends neither
on the number of devices, nor on tiles and blocks, nor on the kind of device.
"""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.predictor.devices import Devices
from flamingo_jax.typing import Array, Float, Int

# By Cauchy and Schwarz no sum of products of two rows, nor any part of it, is
# above the product of their lengths. A row of length 1 and 4096 coordinates is
# at most _STEPS + 32 long in steps, and what is left of it _FINER * 32: the
# products are below 2**24, up to which float32 has all integers.
_STEPS, _FINER, _MOST = 4000, 64, 4096
ALL = -2  # asks and owns no row
_TILE = 4096  # rows that are compared at once on a device
_BLOCK = 128  # queries at once


class Table:
  """Rows to find the nearest of; each device has as many as the others."""

  def __init__(
      self,
      rows: Float[np.ndarray, 'N Dv'],
      owners: Int[np.ndarray, ' N'],
      devices: Sequence[jax.Device],
  ):
    """Moves the rows to the devices, with 3 bytes per coordinate.

    Args:
      rows: of length 1, of at most 4096 coordinates.
      owners: whose a row is, from 0; it is not compared with queries of theirs.
      devices: of this process.

    Raises:
      ValueError: there are more coordinates, whose sums would be rounded.
    """
    count, width = rows.shape
    if width > _MOST:
      raise ValueError(f'rows have {width} coordinates, more than {_MOST}')
    self._devices = Devices(devices)
    share = -(-count // self._devices.count)
    tile = min(_TILE, share)
    missing = self._devices.count * -(-share // tile) * tile - count
    padded = lambda x, value=0: np.concatenate(
        [x, np.full((missing, *x.shape[1:]), value, x.dtype)]
    )
    coarse, fine = _in_steps(rows)
    self._rows = self._devices.split(
        padded(coarse), padded(fine),
        padded(owners.astype(np.int32), -1),
        padded(np.arange(count, dtype=np.int32)),
    )
    self._count = count
    here = self._devices.compile(
        functools.partial(_nearest_here, tile=tile), 'count'
    )
    self._nearest = jax.jit(
        lambda queries, rows, count: _merge(
            *here(None, queries, rows, count=count)
        ),
        static_argnums=2,
    )

  def nearest(
      self, queries: Float[np.ndarray, 'Q Dv'], owners: Int[np.ndarray, ' Q'],
      count: int,
  ) -> Int[np.ndarray, 'Q k']:
    """The rows of largest cosine with each query, the largest first.

    Of rows with the same cosine the first one comes first.

    Args:
      queries: of length 1.
      owners: whose rows a query is not compared with, or ALL.
      count: how many.

    Returns:
      Places of the rows, as many as are asked for and there; -1 in the place of
      those that a query is not compared with.
    """
    count = min(count, self._count)
    size = min(_BLOCK, len(queries))
    found = []
    for start in range(0, len(queries), size):
      # The last block is as large as the others, so that one program does.
      at = np.minimum(np.arange(start, start + size), len(queries) - 1)
      block = *_in_steps(queries[at]), owners[at].astype(np.int32)
      places = self._nearest(self._devices.replicate(block), self._rows, count)
      found.append(np.asarray(places)[: len(queries) - start])
    return np.concatenate(found)


def _in_steps(rows: Float[np.ndarray, 'n Dv']) -> tuple[np.ndarray, np.ndarray]:
  """int16[n Dv] coarse and int8[n Dv] fine steps of the coordinates."""
  steps = rows * np.float32(_STEPS)
  coarse = np.rint(steps)
  fine = np.rint((steps - coarse) * _FINER)
  return coarse.astype(np.int16), fine.astype(np.int8)


def _cosines(
    queries: tuple[Int[Array, 'Q Dv'], Int[Array, 'Q Dv']],
    rows: tuple[Int[Array, 'n Dv'], Int[Array, 'n Dv']],
) -> Float[Array, 'Q n']:
  """In squared steps; exact but for the last sum and fine times fine steps."""
  # Nothing less than float32, to which TPUs and GPUs have to be asked.
  product = lambda q, r: jnp.einsum(
      'QD,ND->QN', q.astype(jnp.float32), r.astype(jnp.float32),
      precision=jax.lax.Precision.HIGHEST,
  )
  (coarse, fine), (row_coarse, row_fine) = queries, rows
  mixed = product(coarse, row_fine) + product(fine, row_coarse)
  return product(coarse, row_coarse) + mixed / _FINER


def _nearest_here(params, queries, rows, *, count, tile):
  """Cosines [1 Q k] and places of a device's nearest rows, tile by tile."""
  del params
  coarse, fine, owners = queries
  shape = len(owners), count

  def step(best, part):
    row_coarse, row_fine, owner, place = part
    is_other = (owner != owners[:, None]) & (owner >= 0)
    cosines = _cosines((coarse, fine), (row_coarse, row_fine))
    cosines = jnp.where(is_other, cosines, -jnp.inf)
    # Those found before are of smaller places: the first of equals, to top_k.
    cosines = jnp.concatenate([best[0], cosines], axis=1)
    places = jnp.concatenate(
        [best[1], jnp.broadcast_to(place, is_other.shape)], axis=1
    )
    return _largest(cosines, places, count), None

  tiles = jax.tree.map(lambda x: x.reshape(-1, tile, *x.shape[1:]), rows)
  none = jnp.full(shape, -jnp.inf), jnp.full(shape, -1)
  best, _ = jax.lax.scan(step, none, tiles)
  return jax.tree.map(lambda x: x[None], best)


def _merge(
    cosines: Float[Array, 'n Q k'], places: Int[Array, 'n Q k']
) -> Int[Array, 'Q k']:
  """Of the nearest rows of each device the nearest."""
  count = cosines.shape[-1]
  flat = lambda x: jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1)
  cosines, places = _largest(flat(cosines), flat(places), count)
  return jnp.where(cosines == -jnp.inf, -1, places)


def _largest(
    cosines: Float[Array, 'Q n'], places: Int[Array, 'Q n'], count: int
) -> tuple[Float[Array, 'Q k'], Int[Array, 'Q k']]:
  """Of equal ones the first, as XLA promises."""
  cosines, at = jax.lax.top_k(cosines, count)
  return cosines, jnp.take_along_axis(places, at, axis=1)

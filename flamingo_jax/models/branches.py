# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens that go on from one place in several ways, side by side in a row."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.models.attention import causal_mask
from flamingo_jax.typing import Array, Bool, Int


@struct.dataclass
class Branches:
  """A tree of L tokens behind what a cache has, in any order.

  'a cat', 'a dog sleeps' and 'birds' behind 7 tokens, which all of them see:

        token    stands at   depth   sees, of these
    0   a        7           0       0
    1   cat      8           1       0 1
    2   dog      8           1       0 . 2
    3   sleeps   9           2       0 . 2 3
    4   birds    7           0       . . . . 4
  """

  depth: Int[Array | np.ndarray, '*B L']
  sees: Bool[Array | np.ndarray, '*B L L']  # itself and those that it goes on from


# Of the tokens of a row: the document that each is of, which sees no other; or
# branches, behind a cache. None: they follow each other.
Segments = Int[Array, 'B L'] | Branches | None


def stand_at(
    first: Int[Array, 'B'] | int, length: int, segments: Segments
) -> Int[Array, '#B L']:
  """Where each of the new tokens stands; the first one at `first`."""
  if isinstance(segments, Branches):
    return jnp.reshape(first, (-1, 1)) + segments.depth
  return jnp.reshape(first, (-1, 1)) + jnp.arange(length)


def in_documents(
    first: Int[Array, 'B'] | int, length: int, segments: Segments
) -> Int[Array, '#B L']:
  """Where each of the new tokens stands in the document that it is of."""
  at = stand_at(first, length, segments)
  if segments is None or isinstance(segments, Branches):
    return at
  changes = segments[:, 1:] != segments[:, :-1]
  begins = jnp.where(changes, at[:, 1:], 0)
  return at - jnp.pad(jax.lax.cummax(begins, axis=1), ((0, 0), (1, 0)))


def keys_at(
    first: Int[Array, 'B'] | int, start: int, count: int, segments: Segments
) -> Int[Array, '#B S']:
  """Where keys stand: one behind the other from `start` on, then branches.

  Args:
    first: where the first of the new tokens stands.
    start: where the first key stands.
    count: keys, S, those of the new tokens included.
    segments: of the new tokens.
  """
  if not isinstance(segments, Branches):
    return start + jnp.arange(count)[None]
  own = stand_at(first, count, segments)
  before = start + jnp.arange(count - own.shape[1])
  before = jnp.broadcast_to(before, (len(own), len(before)))
  return jnp.concatenate([before, own], axis=1)


def visible(
    first: Int[Array, 'B'] | int, start: int, length: int, count: int,
    segments: Segments,
) -> Bool[Array, '#B L S']:
  """Which keys each of L new tokens may see; arguments are those of `keys_at`."""
  if not isinstance(segments, Branches):
    mask = causal_mask(length, count, first - start)
    if segments is not None:
      # Distances within a document are what they were on its own.
      mask &= segments[:, :, None] == segments[:, None, :]
    return mask
  sees = segments.sees
  before = jnp.arange(count - length) < jnp.reshape(first, (-1, 1, 1)) - start
  before = jnp.broadcast_to(before, (*sees.shape[:2], before.shape[-1]))
  return jnp.concatenate([before, sees], axis=2)

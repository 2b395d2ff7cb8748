# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shuffles range(size) without a table: a pure function of index and key.

A shuffle buffer has to be stored in every checkpoint and mixes only what it
holds. Here the order of an epoch is a keyed permutation, so the place in the
data is one integer, and the shuffle is over all that it is asked for.
"""

from collections.abc import Sequence
import functools

import numpy as np

_ROUNDS = 8
_WORD = 2**64 - 1


def shuffled(index: int, size: int, key: Sequence[int]) -> int:
  """Where `index` goes in the permutation of range(size) chosen by `key`.

  A Feistel network permutes the smallest range of 4^b numbers that holds
  `size`; results outside range(size) are permuted again until one falls inside,
  which keeps the map one to one. A key is of non-negative integers, for example
  (seed, epoch).
  """
  if not 0 <= index < size:
    raise ValueError(f'index {index} is not in range({size})')
  # Two bits at least: a network over fewer reaches too few permutations.
  bits = max(2, ((size - 1).bit_length() + 1) // 2)
  mask = (1 << bits) - 1
  keys = _round_keys(tuple(key))
  while True:
    left, right = index >> bits, index & mask
    for round_key in keys:
      left, right = right, left ^ (_mix(right ^ round_key) & mask)
    index = left << bits | right
    if index < size:
      return index


@functools.lru_cache(maxsize=4096)  # a batch of many rows has a key for each
def _round_keys(key: tuple[int, ...]) -> tuple[int, ...]:
  state = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64)
  return tuple(state.tolist())


def _mix(x: int) -> int:
  """The output function of SplitMix64: every bit depends on every other."""
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _WORD
  return x ^ (x >> 31)

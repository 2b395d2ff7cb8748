# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which looks (difference hashes, 64 bits) are those of one picture."""

from collections.abc import Iterator
import itertools

import numpy as np

_NEAR = 3  # bits of 64 in which looks of one picture may differ
# Three bits lie in at most three of five blocks, so that near looks agree in
# one of these pairs of blocks.
_BLOCKS = [((1 << bits) - 1) << begin for begin, bits in (
    (0, 13), (13, 13), (26, 13), (39, 13), (52, 12)
)]
MASKS = tuple(a | b for a, b in itertools.combinations(_BLOCKS, 2))


def tells(look: int) -> bool:
  """Whether a look tells a picture: those of flat ones are all alike."""
  return _NEAR < look.bit_count() < 64 - _NEAR


def is_near(look: int, others: np.ndarray) -> bool:
  """Whether a look is that of one of u64[N] others."""
  return bool((np.bitwise_count(others ^ np.uint64(look)) <= _NEAR).any())


def near_times(looks: np.ndarray, times: np.ndarray) -> np.ndarray:
  """How often there are looks near each of u64[N], all different; i64[N].

  `times` is how often each occurs; it is not near itself.
  """
  return sum(
      (near_times_in(mask, looks, times) for mask in range(len(MASKS))),
      np.zeros(len(looks), np.int64),
  )


def near_times_in(
    number: int, looks: np.ndarray, times: np.ndarray
) -> np.ndarray:
  """The part of `near_times` of pairs for which MASKS[number] is the first."""
  bits = looks & np.uint64(MASKS[number])
  order = np.argsort(bits, kind='stable')
  bits, total = bits[order], np.zeros(len(looks), np.int64)
  first = np.arange(len(looks))
  for shift in itertools.count(1):
    first = first[first + shift < len(looks)]
    first = first[bits[first] == bits[first + shift]]
    if not len(first):
      return total
    one, other = order[first], order[first + shift]
    differ = looks[one] ^ looks[other]
    near = np.bitwise_count(differ) <= _NEAR
    for mask in MASKS[:number]:
      near &= (differ & np.uint64(mask)) != 0
    # Each place occurs once in `one`, and once in `other`.
    total[one[near]] += times[other[near]]
    total[other[near]] += times[one[near]]


def groups(look: int) -> Iterator[tuple[int, int]]:
  """For each of MASKS what near looks share, in one of them at least."""
  for number, mask in enumerate(MASKS):
    yield number, look & mask

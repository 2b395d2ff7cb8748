# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Near looks are found, each pair once, and flat pictures tell nothing."""

import collections
import random

import numpy as np
import pytest

from flamingo_jax.prepare import looks


@pytest.mark.parametrize('bits', range(6))
def test_near_looks_share_a_group(bits):
  rng = random.Random(bits)
  for _ in range(200):
    one = rng.getrandbits(64)
    other = one
    for bit in rng.sample(range(64), bits):
      other ^= 1 << bit
    assert looks.is_near(one, np.array([other], np.uint64)) == (bits <= 3)
    shared = set(looks.groups(one)) & set(looks.groups(other))
    assert shared or bits > 3


def some_looks():
  """Clusters of looks that differ by up to three bits from their middle."""
  rng = random.Random(0)
  found = {0, 1, 2**64 - 1}
  for _ in range(60):
    middle = rng.getrandbits(64)
    for _ in range(rng.randrange(6)):
      look = middle
      for bit in rng.sample(range(64), rng.randrange(4)):
        look ^= 1 << bit
      found.add(look)
  found = sorted(found)
  rng.shuffle(found)
  return found, [rng.randrange(1, 9) for _ in found]


def test_all_pairs_are_counted_once():
  found, times = some_looks()
  expected = [
      sum(n for other, n in zip(found, times)
          if other != look and (look ^ other).bit_count() <= 3)
      for look in found
  ]
  assert sum(map(bool, expected)) > 60
  near = looks.near_times(np.array(found, np.uint64), np.array(times))
  assert near.tolist() == expected


def test_groups_give_the_same_counts():
  found, times = some_looks()
  members = collections.defaultdict(list)
  for place, look in enumerate(found):
    for group in looks.groups(look):
      members[group].append(place)
  total = np.zeros(len(found), np.int64)
  for (number, _), places in members.items():
    total[places] += looks.near_times_in(
        number, np.array(found, np.uint64)[places], np.array(times)[places]
    )
  expected = looks.near_times(np.array(found, np.uint64), np.array(times))
  assert total.tolist() == expected.tolist()


@pytest.mark.parametrize('look, tells', [
    (0, False), (0b111, False), (0b1111, True), (2**64 - 1, False),
    (2**60 - 1, True), (2**61 - 1, False),
])
def test_looks_of_flat_pictures_tell_nothing(look, tells):
  assert looks.tells(look) == tells

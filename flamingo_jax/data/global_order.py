# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which documents an example is made of: one order for any number of hosts.

Examples have numbers, B of them a batch, that count through the epochs. If the
documents lie in several files, neighbours side by side, row r of each batch has
those from N r/B to N (r+1)/B for its own and shuffles these: a host, which makes
neighbouring rows, then reads neighbouring files, and no others. Otherwise all
rows draw from all documents.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flamingo_jax.data import shuffling
from flamingo_jax.data.records import shard_range

# Of a row, at least. With fewer an epoch's end would be felt, where rows may
# differ by one example, and an unreadable document had few to take its place.
LEAST = 16


def groups_of(documents: Any, each: int, rows: int) -> int:
  """As many as rows, if rows have documents of their own, or 1.

  Args:
    documents: `Documents`.
    each: how many an example is made of.
    rows: of a batch over all hosts.
  """
  several = getattr(documents, 'files', 1) > 1
  return rows if several and len(documents) >= LEAST * each * rows else 1


@dataclasses.dataclass(frozen=True)
class Place:
  """Where an example stands.

  Attributes:
    epoch: from 0.
    group: of documents.
    place: of the example among those of its group in the epoch.
    places: how many the group has in each epoch.
  """

  epoch: int
  group: int
  place: int
  places: int


@dataclasses.dataclass(frozen=True)
class GlobalOrder:
  """Of some documents.

  Attributes:
    size: N, how many there are.
    each: how many an example is made of; fewer at the end of an epoch.
    groups: in which they are shuffled, one after another; number n is of group
      n mod groups.
  """

  size: int
  each: int
  groups: int

  def find(self, number: int) -> Place | None:
    """None: its group has no example left in this epoch, others have one."""
    turn, group = divmod(number, self.groups)
    epoch, place = divmod(turn, self._examples(-(-self.size // self.groups)))
    begin, end = self._range(group)
    places = self._examples(end - begin)
    return Place(epoch, group, place, places) if place < places else None

  def documents(
      self, group: int, place: int, key: Sequence[int] | None
  ) -> list[int]:
    """The indices of the documents of an example.

    Args:
      group: of `find`.
      place: in range(places) of `find`.
      key: of the permutation of the epoch; None: as they lie.
    """
    begin, end = self._range(group)
    first = begin + place * self.each
    found = range(first, min(first + self.each, end))
    if key is None:
      return [*found]
    return [
        begin + shuffling.shuffled(i - begin, end - begin, (*key, group))
        for i in found
    ]

  def _range(self, group: int) -> tuple[int, int]:
    return shard_range(self.size, group, self.groups)

  def _examples(self, documents: int) -> int:
    return -(-documents // self.each)

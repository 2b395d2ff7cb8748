# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which documents an example is made of: one order for any number of hosts.

A dataset's examples have numbers that count through the epochs, B of them a
batch. If its documents lie in several files, neighbours side by side, they are
dealt out in B stretches of neighbours: the r-th example of each batch is made of
the documents from N r/B to N (r+1)/B, which are shuffled among themselves. A
host makes neighbouring examples of a batch, so it reads neighbouring files and
no others. Otherwise there is one stretch, of all documents.
"""

from collections.abc import Sequence
import dataclasses
import math

from flamingo_jax.data import shuffling
from flamingo_jax.data.document_source import Documents
from flamingo_jax.data.records import shard_range

# Examples that a stretch has at least, if there are several. With fewer the end
# of an epoch, where stretches may differ by one, would be felt.
LEAST_EXAMPLES = 16
# Attempts at another document of the same stretch before those of others are
# tried: then something is wrong with a file.
_ATTEMPTS_AT_HOME = 8


def stretches_of(documents: Documents, each: int, batch_size: int) -> int:
  """As many as a batch has examples, over all hosts, or one."""
  several = getattr(documents, 'file_count', 1) > 1
  enough = len(documents) >= LEAST_EXAMPLES * each * batch_size
  return batch_size if several and enough else 1


@dataclasses.dataclass(frozen=True)
class Place:
  """Where an example stands."""

  epoch: int  # from 0
  stretch: int  # of documents
  index: int  # of the example among those of its stretch in the epoch


@dataclasses.dataclass(frozen=True)
class GlobalOrder:
  """The examples of all epochs, by their numbers."""

  size: int  # N, the number of documents
  each: int  # documents of an example; fewer at the end of an epoch
  stretches: int  # of documents; example n is of stretch n mod stretches

  def find(self, number: int) -> Place | None:
    """None: its stretch has no example left in this epoch, others have one."""
    turn, stretch = divmod(number, self.stretches)
    longest = self._examples(-(-self.size // self.stretches))
    epoch, index = divmod(turn, longest)
    if index >= self._length(stretch):
      return None
    return Place(epoch, stretch, index)

  def instead(self, at: Place, attempt: int) -> Place:
    """Where to look for what cannot be read, in the n-th attempt from 1.

    Far from it, or a batch may show an example twice; in its own stretch, and
    at last in others.
    """
    stretch = at.stretch
    if self.stretches > 1 and attempt > _ATTEMPTS_AT_HOME:
      step = _stride(self.stretches)
      stretch += at.index + (attempt - _ATTEMPTS_AT_HOME) * step
      stretch %= self.stretches
    length = self._length(stretch)
    index = (at.index + attempt * _stride(length)) % length
    return Place(at.epoch, stretch, index)

  def documents(self, at: Place, key: Sequence[int] | None) -> list[int]:
    """The indices of the documents of an example.

    The key is of the permutations of its epoch; None: as they lie.
    """
    begin, end = shard_range(self.size, at.stretch, self.stretches)
    first = begin + at.index * self.each
    found = range(first, min(first + self.each, end))
    if key is None:
      return [*found]
    if self.stretches > 1:
      key = (*key, at.stretch)
    return [
        begin + shuffling.shuffled(i - begin, end - begin, key) for i in found
    ]

  def _length(self, stretch: int) -> int:
    """Examples of a stretch in an epoch."""
    begin, end = shard_range(self.size, stretch, self.stretches)
    return self._examples(end - begin)

  def _examples(self, documents: int) -> int:
    return -(-documents // self.each)


def _stride(size: int) -> int:
  """A step that leads from any number far away, and through all range(size)."""
  step = 1 + size * 3 // 8
  while math.gcd(step, size) > 1:
    step += 1
  return step

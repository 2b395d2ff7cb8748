# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts that were read are kept, for those that begin alike."""

from collections.abc import Iterator
import hashlib

from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.predictor.media_encoder import content
from flamingo_jax.predictor.reading import Reading

_BLOCK = 16  # tokens; what begins alike for fewer is read again


def _marks(document: TokenizedDocument) -> Iterator[bytes]:
  """What tells one beginning from another, of each whole number of blocks.

  Two documents have a mark in common that have so many tokens in common, and the
  contents of all media in them.
  """
  digest, index = hashlib.sha256(), document.media_index
  known = 0  # media that are in the digest
  for start in range(0, len(document.tokens) // _BLOCK * _BLOCK, _BLOCK):
    block = slice(start, start + _BLOCK)
    digest.update(document.tokens[block].tobytes())
    digest.update(index[block].tobytes())
    for medium in document.media[known : int(index[block].max())]:
      digest.update(repr(content(medium)).encode())
      known += 1
    yield digest.copy().digest()


class Readings:
  """The latest prompts, up to so many bytes of memory.

  Shots and instructions that many prompts begin with are thereby read once.

  Attributes:
    bytes: that the readings take.
  """

  def __init__(self, most: int):
    """Args: most, bytes."""
    self._most, self.bytes = most, 0
    # The longest unused first, each with its marks; and by a mark and the room
    # of its cache the last reading of these.
    self._kept: dict[int, tuple[Reading, list[bytes]]] = {}
    self._by_mark: dict[tuple[bytes, int], Reading] = {}
    self._rooms: set[int] = set()
    # The document that was looked for last, which is often kept next.
    self._latest: tuple[TokenizedDocument | None, list[bytes]] = None, []

  def __len__(self) -> int:
    return len(self._kept)

  def nearest(self, document: TokenizedDocument, room: int) -> Reading | None:
    """What begins like a prompt for the most blocks.

    Args:
      document: the prompt.
      room: positions that its cache needs; of one with fewer only the media
        could be used.
    """
    rooms = sorted(size for size in self._rooms if size >= room)
    self._latest = document, list(_marks(document))
    for mark in reversed(self._latest[1]):
      for size in rooms:
        if found := self._by_mark.get((mark, size)):
          self._kept[id(found)] = self._kept.pop(id(found))
          return found
    return None

  def keep(self, reading: Reading) -> None:
    """Keeps one more; the longest unused ones make way."""
    document, marks = self._latest
    if reading.document is not document:
      marks = list(_marks(reading.document))
    if not marks:
      return
    self._kept[id(reading)] = reading, marks
    self._rooms.add(reading.room)
    for mark in marks:
      self._by_mark[mark, reading.room] = reading
    self.bytes += reading.size
    while self.bytes > self._most:
      self._drop(next(iter(self._kept)))

  def forget(self) -> None:
    """Keeps none any longer."""
    while self._kept:
      self._drop(next(iter(self._kept)))

  def _drop(self, key: int) -> None:
    reading, marks = self._kept.pop(key)
    self.bytes -= reading.size
    for mark in marks:
      if self._by_mark.get((mark, reading.room)) is reading:
        del self._by_mark[mark, reading.room]

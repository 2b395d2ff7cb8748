# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What one unit of the input became, on disk until all units are done.

FOLDER/unit-00003.spool holds the documents, FOLDER/unit-00003.json the counts;
the latter is written last, so that a unit is done exactly if it is there.
A document is u32 length, a header in JSON with everything but media, and the
encoded media one after the other.
"""

from collections.abc import Iterator
import dataclasses
import hashlib
import json
import os
import pathlib
import secrets
import struct
from typing import Any

from flamingo_jax.data.documents import Document, Media
from flamingo_jax.errors import one_line
from flamingo_jax.prepare.source import Converted, Dropped

_REASONS_TOLD = 3
_DETAIL = 400  # characters that are kept of what is known
_LENGTH = struct.Struct('<I')


class Tally(dict[str, dict[str, Any]]):
  """Reason -> how often it occurred, and what is known about the first time.

  As JSON, {'reason': {'count': 2, 'first': 'page.html: ...'}}.
  """

  def add(self, reason: str, detail: str, count: int = 1) -> None:
    """Counts a reason."""
    if reason not in self:
      self[reason] = {'count': 0, 'first': one_line(detail, _DETAIL)}
    self[reason]['count'] += count

  def merge(self, other: 'Tally') -> None:
    """Adds the counts of another tally, which comes later."""
    for reason, entry in other.items():
      self.add(reason, entry['first'], entry['count'])

  def told(self) -> str:
    """The most frequent reasons, for a message."""
    most = sorted(self.items(), key=lambda item: -item[1]['count'])
    return ', '.join(
        f'{entry["count"]:,} times {reason} ({entry["first"]})'
        for reason, entry in most[:_REASONS_TOLD]
    )


@dataclasses.dataclass
class Counts:
  """What became of the items of a unit, or of all."""

  items: int = 0  # in the input
  documents: int = 0  # that were made of them
  # Items that gave no document, and pieces that could not be read.
  drops: Tally = dataclasses.field(default_factory=Tally)
  # Media that were left out of documents.
  losses: Tally = dataclasses.field(default_factory=Tally)

  def merge(self, other: 'Counts') -> None:
    """Adds other counts."""
    self.items += other.items
    self.documents += other.documents
    self.drops.merge(other.drops)
    self.losses.merge(other.losses)


@dataclasses.dataclass(frozen=True)
class Entry:
  """A document on disk; `parts` are as `Header` tells them."""

  parts: tuple[dict[str, Any], ...]  # {'text'} or {'kind', 'name', 'size', ...}
  source: str
  url: str
  offset: int  # of the first byte of media
  path: pathlib.Path

  def document(self, example_id: int) -> Document:
    """The document, its media in memory."""
    with open(self.path, 'rb') as file:
      parts = tuple(
          part['text'] if 'text' in part else Media(
              part['kind'], part['name'],
              _read_at(file, self.offset + part['begin'], part['size']),
          )
          for part in self.parts
      )
    return Document(parts, self.source, example_id)


def _read_at(file: Any, offset: int, size: int) -> bytes:
  file.seek(offset)
  return file.read(size)


class Writer:
  """Writes the documents of a unit; they are there after `finish`."""

  def __init__(self, folder: pathlib.Path, index: int):
    self._spool, self._json = paths(folder, index)
    self._draft = folder / draft_name(self._spool.name)
    self._file = open(self._draft, 'wb')
    self.counts = Counts()

  def add(self, converted: Converted, place: str) -> None:
    """Appends a document."""
    looks = iter(converted.looks)
    parts, begin, blobs = [], 0, []
    for part in converted.document.parts:
      if isinstance(part, str):
        parts.append({'text': part})
        continue
      parts.append({
          'kind': part.kind, 'name': part.path, 'begin': begin,
          'size': len(part.data),
          'sha256': hashlib.sha256(part.data).hexdigest(),
          'look': next(looks, 0) if part.kind == 'image' else 0,
      })
      begin += len(part.data)
      blobs.append(part.data)
    header = json.dumps({
        'parts': parts, 'source': converted.document.source,
        'url': converted.url,
    }).encode()
    self._file.write(_LENGTH.pack(len(header)) + header)
    self._file.writelines(blobs)
    self.counts.documents += 1
    for loss in converted.losses:
      self.counts.losses.add(loss.reason, f'{place}: {loss.detail}')

  def drop(self, dropped: Dropped, place: str) -> None:
    """Counts an item, or a piece of the input, that gave no document."""
    self.counts.drops.add(dropped.reason, f'{place}: {dropped.detail}')

  def finish(self) -> None:
    """Makes the unit one that is done."""
    self._file.close()
    os.replace(self._draft, self._spool)
    counts = dataclasses.asdict(self.counts)
    write_atomically(self._json, json.dumps(counts, sort_keys=True))

  def discard(self) -> None:
    """Removes what was written, if the unit is not done."""
    self._file.close()
    self._draft.unlink(missing_ok=True)


def paths(
    folder: pathlib.Path, index: int
) -> tuple[pathlib.Path, pathlib.Path]:
  """Where the documents and the counts of a unit are."""
  return folder / f'unit-{index:06}.spool', folder / f'unit-{index:06}.json'


def is_done(folder: pathlib.Path, index: int) -> bool:
  """Whether a unit has been written."""
  return paths(folder, index)[1].exists()


def read_counts(folder: pathlib.Path, index: int) -> Counts:
  """The counts of a unit that is done."""
  value = json.loads(paths(folder, index)[1].read_text(encoding='utf-8'))
  return Counts(
      value['items'], value['documents'], Tally(value['drops']),
      Tally(value['losses']),
  )


def read_entries(folder: pathlib.Path, index: int) -> Iterator[Entry]:
  """The documents of a unit that is done, in order, without their media."""
  path = paths(folder, index)[0]
  with open(path, 'rb') as file:
    while prefix := file.read(_LENGTH.size):
      header = json.loads(file.read(_LENGTH.unpack(prefix)[0]))
      offset = file.tell()
      yield Entry(
          tuple(header['parts']), header['source'], header['url'], offset, path
      )
      media = sum(part.get('size', 0) for part in header['parts'])
      file.seek(offset + media)


def write_atomically(path: pathlib.Path, text: str) -> None:
  """Writes a file that is there whole or not at all."""
  draft = path.with_name(draft_name(path.name))
  draft.write_text(text, encoding='utf-8')
  os.replace(draft, path)


def draft_name(name: str) -> str:
  """For a file that is not whole yet; no other process has the same name."""
  return f'{name}.{secrets.token_hex(8)}.draft'  # pids are those of a machine

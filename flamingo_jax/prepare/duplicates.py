# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Removes what web pages repeat (Flamingo A.3.4; OBELICS §3.2).

First images and lines of text are counted in all documents, and documents that
were there before are found; then each unit is judged by itself. What is kept
depends on the documents and their order alone.
"""

import collections
from collections.abc import (
    Callable, Iterable, Iterator, Mapping, Sequence, Set,
)
import dataclasses
import hashlib
import json
import pathlib
import re
import urllib.parse

import numpy as np

from flamingo_jax.prepare import looks
from flamingo_jax.prepare import spool
from flamingo_jax.prepare.source import Dropped, close_gaps

_IMAGE_AT_MOST = 10  # times in all documents; logos and icons have more
_LINE_AT_MOST = 2  # documents of one domain; menus and footers have more
_LOOK = 'look '  # begins keys
_WORDS = 10  # a page without its repeated lines has at least so many

# A document is dropped if one before it has the same, in this order; one that
# is dropped for a reason is not compared for those after it.
REASONS = (
    'page was there before',
    'text is that of an earlier document',
    'images are those of an earlier document',
)

Key = str | int  # of an image; of a line of text


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What becomes of the documents of a unit."""

  kept: tuple[int, ...]  # places, from 0, of those that stay
  often: frozenset[Key]  # the unit's images and lines that occur too often
  drops: spool.Tally  # why the others go

  def apply(self, entries: Iterable[spool.Entry]) -> Iterator[spool.Entry]:
    """The unit's documents that stay, without what occurs too often."""
    kept = set(self.kept)
    for place, entry in enumerate(entries):
      if place in kept:
        yield trim(entry, self.often)

  def write(self, folder: pathlib.Path, index: int) -> None:
    """Puts the verdict beside the unit."""
    spool.write_atomically(_path(folder, index), json.dumps({
        'kept': self.kept, 'often': sorted(self.often, key=str),
        'drops': self.drops,
    }, sort_keys=True))


def read_verdict(folder: pathlib.Path, index: int) -> Verdict:
  """What `Verdict.write` has written."""
  value = json.loads(_path(folder, index).read_text(encoding='utf-8'))
  return Verdict(
      tuple(value['kept']), frozenset(value['often']),
      spool.Tally(value['drops']),
  )


def _path(folder: pathlib.Path, index: int) -> pathlib.Path:
  return spool.paths(folder, index)[1].with_suffix('.verdict')


def judge_all(
    read: Callable[[int], Iterable[spool.Entry]], units: int
) -> Iterator[Verdict]:
  """The verdicts on all units, in order, with all counts in memory.

  That takes about 200 bytes for each image and line.
  """
  counts = collections.Counter()
  for index in range(units):
    counts.update(count(read(index)))
  often = _often(counts)
  del counts
  seen = set()
  for index in range(units):
    entries = list(read(index))
    repeated = {}
    for place, entry in enumerate(entries):
      for reason, key in zip(REASONS, document_keys(entry)):
        if key in seen:
          repeated[place] = reason
          break
        if key:
          seen.add(key)
    yield judge(entries, repeated, often.intersection(count(entries)))


def count(entries: Iterable[spool.Entry]) -> collections.Counter[Key]:
  """How often each image occurs, and in how many documents each line does."""
  counts = collections.Counter()
  for entry in entries:
    for part in entry.parts:
      if 'text' not in part:
        counts.update(_image_keys(part))
    domain = _domain(entry.url)
    counts.update({
        _line_key(domain, line) for part in entry.parts if 'text' in part
        for line in part['text'].splitlines() if line.strip()
    })
  return counts


def _often(counts: Mapping[Key, int]) -> set[Key]:
  """The images and lines that occur too often, near copies taken together."""
  times = {
      look: n for key, n in counts.items() if (look := look_of(key)) is not None
  }
  near = looks.near_times(
      np.fromiter(times, np.uint64), np.fromiter(times.values(), np.int64)
  )
  total = collections.Counter(counts)
  for look, more in zip(times, near.tolist(), strict=True):
    total[_look_key(look)] += more
  return {key for key, n in total.items() if is_too_often(key, n)}


def is_too_often(key: Key, times: int) -> bool:
  """Whether an image or a line that occurs so often is removed.

  Looks occur as often as all that are near them.
  """
  return times > (_LINE_AT_MOST if isinstance(key, int) else _IMAGE_AT_MOST)


def document_keys(entry: spool.Entry) -> tuple[bytes | None, ...]:
  """For each of REASONS what no earlier document has; None: nothing to say."""
  page = urllib.parse.urldefrag(entry.url).url
  texts = [part['text'] for part in entry.parts if 'text' in part]
  words = ' '.join(re.findall(r'\w+', ' '.join(texts).casefold()))
  images = sorted(p['sha256'] for p in entry.parts if 'text' not in p)
  return (
      _digest('url', page) if entry.url else None,
      _digest('text', words),
      _digest('images', *images) if images else None,
  )


def judge(
    entries: Sequence[spool.Entry],
    repeated: Mapping[int, str],
    often: Set[Key],
) -> Verdict:
  """The verdict on a unit.

  `repeated` are the places of documents that were there before -> the reason,
  `often` its images and lines that occur too often.
  """
  kept, drops = [], spool.Tally()
  for place, entry in enumerate(entries):
    try:
      if place in repeated:
        raise Dropped(repeated[place])
      _check_rest(entry, often)
    except Dropped as dropped:
      drops.add(dropped.reason, entry.source)
    else:
      kept.append(place)
  return Verdict(tuple(kept), frozenset(often), drops)


def _check_rest(entry: spool.Entry, often: Set[Key]) -> None:
  """Raises Dropped if too little of a document occurs seldom."""
  parts = trim(entry, often).parts
  if _has_media(entry.parts) and not _has_media(parts):
    raise Dropped('all images occur too often')
  words = sum(len(part['text'].split()) for part in parts if 'text' in part)
  if not words or parts != entry.parts and words < _WORDS:
    raise Dropped('all lines of text occur too often')


def _has_media(parts: Iterable[dict]) -> bool:
  return any('text' not in part for part in parts)


def trim(entry: spool.Entry, often: Set[Key]) -> spool.Entry:
  """The document without what occurs too often."""
  parts = []
  for part in entry.parts:
    if 'text' in part:
      text = _without_lines(part['text'], _domain(entry.url), often)
      parts.append(text if text.strip() else None)
    else:
      is_kept = often.isdisjoint(_image_keys(part))
      parts.append(part if is_kept else None)
  return dataclasses.replace(entry, parts=tuple(
      {'text': part} if isinstance(part, str) else part
      for part in close_gaps(parts)
  ))


def _without_lines(text: str, domain: str, often: Set[Key]) -> str:
  kept = [
      line for line in text.splitlines()
      if not line.strip() or _line_key(domain, line) not in often
  ]
  return re.sub(r'\n{3,}', '\n\n', '\n'.join(kept))


def _image_keys(part: dict) -> list[str]:
  """Its bytes, and how it looks however it was encoded."""
  keys = [part['sha256']]
  if looks.tells(part.get('look', 0)):
    keys.append(_look_key(part['look']))
  return keys


def _look_key(look: int) -> str:
  return f'{_LOOK}{look:x}'


def look_of(key: Key) -> int | None:
  """The look that a key is, if it is one."""
  is_look = isinstance(key, str) and key.startswith(_LOOK)
  return int(key.removeprefix(_LOOK), 16) if is_look else None


def _digest(*texts: str) -> bytes:
  return hashlib.sha256('\0'.join(texts).encode()).digest()[:16]


def _domain(url: str) -> str:
  return urllib.parse.urlsplit(url).netloc.lower()


def _line_key(domain: str, line: str) -> int:
  """A small number, as there are billions of lines; 64 bits with a sign."""
  text = f'{domain}\0{" ".join(line.split())}'.encode()
  digest = hashlib.blake2b(text, digest_size=8).digest()
  return int.from_bytes(digest, signed=True)

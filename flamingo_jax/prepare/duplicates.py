# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Removes what web pages repeat (Flamingo A.3.4; OBELICS §3.2).

Two passes over the documents in order: the first counts images and lines of
text, the second takes each document without what occurs too often, and drops
those that were there before. What is kept depends on the documents and their
order alone.
"""

import collections
import dataclasses
import hashlib
import re
import urllib.parse

from flamingo_jax.prepare import spool
from flamingo_jax.prepare.source import Dropped

_IMAGE_AT_MOST = 10  # times in all documents; logos and icons have more
_LINE_AT_MOST = 2  # documents of one domain; menus and footers have more
_WORDS = 10  # a page without its repeated lines has at least so many


class Duplicates:
  """What all documents have, and what has been seen so far.

  `count` every document first, then `check` every one in the same order; `trim`
  what passed.
  Memory: about 200 bytes for each image and line.
  """

  def __init__(self):
    self._images = collections.Counter()
    self._lines = collections.Counter()
    self._seen = set()

  def count(self, entry: spool.Entry) -> None:
    """Adds the images and the lines of a document to the counts."""
    for part in entry.parts:
      if 'text' not in part:
        self._images.update(_image_keys(part))
    domain = _domain(entry.url)
    lines = {
        _hash(domain, line) for part in entry.parts if 'text' in part
        for line in part['text'].splitlines() if line.strip()
    }
    self._lines.update(lines)

  def check(self, entry: spool.Entry) -> None:
    """Looks at the next document.

    Raises:
      Dropped: it was there before, or too little of it is left.
    """
    for key, reason in _document_keys(entry):
      if key in self._seen:
        raise Dropped(reason, entry.source)
      self._seen.add(key)
    parts = self.trim(entry).parts
    if all('text' in part for part in parts):
      raise Dropped('all images occur too often', entry.source)
    words = sum(
        len(part['text'].split()) for part in parts if 'text' in part
    )
    if not words or parts != entry.parts and words < _WORDS:
      raise Dropped('all lines of text occur too often', entry.source)

  def trim(self, entry: spool.Entry) -> spool.Entry:
    """The document without what occurs too often."""
    parts = []
    for part in entry.parts:
      if 'text' in part:
        part = {'text': self._without_repeated_lines(part['text'], entry.url)}
        if not part['text'].strip():
          continue
      elif any(self._images[k] > _IMAGE_AT_MOST for k in _image_keys(part)):
        continue
      parts.append(part)
    return dataclasses.replace(entry, parts=tuple(parts))

  def _without_repeated_lines(self, text: str, url: str) -> str:
    domain = _domain(url)
    kept = [
        line for line in text.splitlines()
        if not line.strip()
        or self._lines[_hash(domain, line)] <= _LINE_AT_MOST
    ]
    return re.sub(r'\n{3,}', '\n\n', '\n'.join(kept))


def _image_keys(part: dict) -> list[str]:
  """Of one picture these are equal, however it was encoded."""
  keys = [part['sha256']]
  if part.get('look'):
    keys.append(f'look {part["look"]:x}')
  return keys


def _document_keys(entry: spool.Entry) -> list[tuple[bytes, str]]:
  """(key, reason): a document is dropped if one before it has a key of it."""
  texts = [part['text'] for part in entry.parts if 'text' in part]
  images = sorted(p['sha256'] for p in entry.parts if 'text' not in p)
  words = ' '.join(re.findall(r'\w+', ' '.join(texts).casefold()))
  keys = [(_digest('text', words), 'text is that of an earlier document')]
  if images:
    keys.append((
        _digest('images', *images), 'images are those of an earlier document'
    ))
  if entry.url:
    page = urllib.parse.urldefrag(entry.url).url
    keys.insert(0, (_digest('url', page), 'page was there before'))
  return keys


def _digest(*texts: str) -> bytes:
  return hashlib.sha256('\0'.join(texts).encode()).digest()[:16]


def _domain(url: str) -> str:
  return urllib.parse.urlsplit(url).netloc.lower()


def _hash(domain: str, line: str) -> int:
  """A small number: there are billions of lines."""
  text = f'{domain}\0{" ".join(line.split())}'.encode()
  return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of folders, WARC files and JSONL files, as text."""

from collections.abc import Iterator, Sequence
import dataclasses
import os
import re
from typing import Any
import urllib.parse

import charset_normalizer

from flamingo_jax import opening
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import (
    Dropped, Item, Unit, find_files, group, has_ending, read_bytes,
)

HTML_ENDINGS = ('.html', '.htm', '.xhtml')
WARC_ENDINGS = ('.warc', '.warc.gz')
_PER_UNIT = 64  # pages of a folder
_LONGEST = 2**24  # bytes of a page
_MARKS = (
    (b'\xef\xbb\xbf', 'utf-8-sig'), (b'\xff\xfe', 'utf-16'),
    (b'\xfe\xff', 'utf-16'),
)
_META = re.compile(rb'<meta[^>]{0,999}?charset\s*=\s*["\']?\s*([\w.:-]+)', re.I)
_LOOK_AT = 4096  # bytes in which a page tells its charset
_GUESS_FROM = 20_000  # bytes
_TYPES = ('text/html', 'application/xhtml+xml', '')
_ENCODINGS = ('Transfer-Encoding', 'Content-Encoding')


@dataclasses.dataclass(frozen=True)
class Page:
  """A page as it was fetched."""

  url: str  # absolute; file:/// and a path below `root` for a page of a folder
  data: bytes  # encoded
  charset: str = ''  # what the server said, '' if nothing
  # The folder in which images of file URLs are, '' if there is none.
  root: str = ''

  def text(self) -> str:
    """The page, decoded as browsers do; what cannot be is replaced."""
    return decode(self.data, self.charset)


def page_units(paths: Sequence[str]) -> list[Unit]:
  """Groups of pages of folders, WARC files, pieces of JSONL files.

  Raises:
    UserError: a path is wrong, or a folder holds none of these.
  """
  units = []
  for path in map(os.path.abspath, paths):
    files = find_files(
        [path], HTML_ENDINGS + WARC_ENDINGS + json_values.ENDINGS
    )
    pages = [f for f in files if has_ending(f, HTML_ENDINGS)]
    lines = [f for f in files if has_ending(f, json_values.ENDINGS)]
    root = path if os.path.isdir(path) else os.path.dirname(path)
    names = [os.path.relpath(page, root) for page in pages]
    units += [Unit(root, members=m) for m in group(names, _PER_UNIT)]
    units += [Unit(f) for f in files if has_ending(f, WARC_ENDINGS)]
    for file in lines:
      units += json_values.line_units(file)
  return units


def read_pages(unit: Unit) -> Iterator[Item | Dropped]:
  """The pages of a unit; values are `Page`s or lines of JSON."""
  if unit.members:
    for name in unit.members:
      path = os.path.join(unit.path, name)
      try:
        data = read_bytes(path, _LONGEST)
      except Dropped as dropped:
        yield dropped
        continue
      url = 'file:///' + urllib.parse.quote(os.fsencode(name))
      yield Item(path, Page(url, data, root=unit.path))
  elif has_ending(unit.path, WARC_ENDINGS):
    yield from _read_warc(unit.path)
  else:
    yield from json_values.read_lines(unit)


def page_of(item: Item) -> Page:
  """The page of an item.

  Raises:
    Dropped: it is a line without one.
  """
  if isinstance(item.value, Page):
    return item.value
  value = json_values.parse(item.value)
  html, url = value.get('html'), json_values.text_of(value, 'url')
  if not isinstance(html, str):
    raise Dropped('line has no "html"', ', '.join(value)[:200])
  if len(html) > _LONGEST:
    raise Dropped('page is too long', f'{len(html):,} characters')
  return Page(url, html.encode('utf-8', 'replace'), 'utf-8')


def _read_warc(path: str) -> Iterator[Item | Dropped]:
  from fastwarc.warc import ArchiveIterator, WarcRecordType

  found = False
  with opening.open_file(path) as file:
    records = ArchiveIterator(
        file, record_types=WarcRecordType.response, parse_http=True
    )
    for number, record in enumerate(records):
      if (record.http_content_type or '') not in _TYPES:
        continue
      found = True
      url = record.headers.get('WARC-Target-URI', '').strip('<>')
      try:
        page = Page(url, _body(record, url), record.http_charset or '')
      except Dropped as dropped:
        yield dropped
      else:
        yield Item(f'{path}, record {number} ({url})', page)
  if not found:
    yield Dropped('file holds no page', path)


def _body(record: Any, url: str) -> bytes:
  """The page of a response, without the encodings that its headers tell.

  Raises:
    Dropped: it is an error of the server, is too long or cannot be decoded.
  """
  from fastwarc.warc import WarcRecord, WarcRecordType

  http = record.http_headers
  if http is not None and http.status_code != 200:
    raise Dropped(
        'page has a status other than 200', f'{http.status_code}: {url}'
    )
  data = record.reader.read(_LONGEST + 1)
  encodings = [
      f'{name}: {http[name]}' for name in _ENCODINGS if http and name in http
  ]
  if encodings and len(data) <= _LONGEST:
    # In a record of its own: an error there does not end the file.
    alone = WarcRecord()
    alone.init_headers(WarcRecordType.response)
    alone.is_http = True
    head = '\r\n'.join(['HTTP/1.1 200 OK', *encodings, '\r\n'])
    alone.set_bytes_content(head.encode('utf-8', 'replace') + data)
    try:
      alone.parse_http(auto_decode='all')
      data = alone.reader.read(_LONGEST + 1)
    except OSError as error:
      raise Dropped('page cannot be decoded', f'{url}: {error}') from None
  if len(data) > _LONGEST:
    raise Dropped('page is too long', url)
  return data


def decode(data: bytes, charset: str) -> str:
  """Bytes of a page as text: mark, server, <meta>, then a guess."""
  for mark, encoding in _MARKS:
    if data.startswith(mark):
      return data.decode(encoding, 'replace')
  meta = _META.search(data[:_LOOK_AT])
  for encoding in (charset, meta[1].decode('ascii') if meta else ''):
    try:
      # Browsers read what calls itself Latin-1 as its Windows relative.
      if encoding.lower() in ('iso-8859-1', 'latin-1', 'latin1', 'us-ascii'):
        encoding = 'cp1252'
      return data.decode(encoding, 'replace') if encoding else data.decode()
    except (LookupError, UnicodeDecodeError, ValueError):
      continue
  guess = charset_normalizer.from_bytes(data[:_GUESS_FROM]).best()
  return data.decode(guess.encoding if guess else 'cp1252', 'replace')

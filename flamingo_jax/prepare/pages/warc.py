# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of WARC files: HTML that servers answered with status 200."""

from collections.abc import Iterator
import io
import re
from typing import Any
import zlib

from fastwarc.stream_io import BrotliReader, ZstdReader
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from flamingo_jax import opening
from flamingo_jax.prepare.pages import charsets
from flamingo_jax.prepare.pages.page import LONGEST, Page
from flamingo_jax.prepare.source import Dropped, Item

# Others have none by definition.
_WITH_PAGES = (WarcRecordType.response, WarcRecordType.resource)
_TYPES = ('text/html', 'application/xhtml+xml')
_CHUNK = re.compile(rb'([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n')
_GZIP, _ZSTD = b'\x1f\x8b', b'\x28\xb5\x2f\xfd'
# No text has these (WHATWG MIME Sniffing, §3).
_BINARY = re.compile(rb'[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]')
_SNIFFED = 1445  # bytes
_MARKS = (b'\xfe\xff', b'\xff\xfe', b'<\0', b'\0<')  # UTF-16 does
_IS_SHORT = 'record is cut short'


def read(path: str) -> Iterator[Item | Dropped]:
  """The pages of a file, and what is no page."""
  is_empty = True
  with opening.open_file(path) as file:
    records = ArchiveIterator(
        file, record_types=WarcRecordType.any_type, parse_http=False
    )
    try:
      for number, record in enumerate(records):
        is_cut = 'Content-Length' not in record.headers
        if record.record_type not in _WITH_PAGES and not is_cut:
          continue
        is_empty = False
        url = (record.headers.get('WARC-Target-URI') or '').strip('<>')
        try:
          yield Item(f'{path}, record {number} ({url})', _page(record, url))
        except Dropped as dropped:
          yield dropped
    except OSError as error:
      is_empty = False
      yield Dropped(
          'file is damaged, what follows in it is not seen', f'{path}: {error}'
      )
  if is_empty:
    yield Dropped('file holds no page', path)


def _page(record: WarcRecord, url: str) -> Page:
  """The page of a record.

  Raises:
    Dropped: it has none, or not the whole of it.
  """
  headers = record.headers
  kind, http = headers.get('Content-Type') or '', None
  if record.is_http:
    try:
      record.parse_http()
    except (OSError, ValueError) as error:
      raise Dropped(_IS_SHORT, f'{url}: {error}'[:200]) from None
    http = record.http_headers
    kind = _told(http, 'Content-Type')
  data = record.reader.read(LONGEST + 1)
  if (len(data) < min(record.content_length, LONGEST + 1)
      or 'WARC-Truncated' in headers or 'Content-Length' not in headers
      or record.is_http and http is None):
    raise Dropped(_IS_SHORT, url)
  essence = re.split(r'[;,\s]', kind.strip(), maxsplit=1)[0].lower()
  if essence not in _TYPES and (essence or _is_binary(data)):
    raise Dropped('record is not HTML', f'{essence or "no type"}: {url}')
  if http is not None:
    if http.status_code != 200:
      raise Dropped(
          'page has a status other than 200', f'{http.status_code}: {url}'
      )
    data = _body(data, http, url)
  return Page(url, data, charsets.of_content_type(kind))


def _told(http: Any, name: str) -> str:
  """All that headers of a name tell."""
  return ', '.join(http.get_multiple(name)) if http is not None else ''


def _body(data: bytes, http: Any, url: str) -> bytes:
  """The page of a response, without the encodings that its headers tell.

  Where it lacks one that they tell, it was stored without, as is usual.

  Raises:
    Dropped: it is cut short, too long, or in an encoding that is not known.
  """
  told = f'{_told(http, "Content-Encoding")}, {_told(http, "Transfer-Encoding")}'
  names = [name.strip().lower() for name in told.split(',')]
  names = [name for name in names if name not in ('', 'identity')]
  length = re.fullmatch('[0-9]{1,18}', _told(http, 'Content-Length'))
  if not names and length and int(length[0]) > len(data):
    raise Dropped(_IS_SHORT, url)
  try:
    for name in reversed(names):
      if len(data) <= LONGEST:
        data = _undo(name, data)
    if names and len(data) <= LONGEST and _is_binary(data):
      raise ValueError(f'not in {" in ".join(names)}')
  except (ValueError, OSError, zlib.error) as error:
    raise Dropped('page cannot be decoded', f'{url}: {error}'[:200]) from None
  if len(data) > LONGEST:
    raise Dropped('page is too long', url)
  return data


def _undo(name: str, data: bytes) -> bytes:
  """Without an encoding, or as it is if it has another.

  Raises:
    ValueError, OSError, zlib.error: it has this one, and is damaged.
  """
  if name == 'chunked' and _CHUNK.match(data):
    return _unchunk(data)
  if name in ('gzip', 'x-gzip') and data.startswith(_GZIP):
    return _inflate(data, 31)
  if name == 'zstd' and data.startswith(_ZSTD):
    return ZstdReader(io.BytesIO(data)).read(LONGEST + 1)
  if name == 'br' and _is_binary(data):
    return BrotliReader(io.BytesIO(data)).read(LONGEST + 1)
  if name == 'deflate' and _is_binary(data):
    try:
      return _inflate(data, 15)
    except zlib.error:
      return _inflate(data, -15)  # as some servers understood it
  return data


def _unchunk(data: bytes) -> bytes:
  pieces, at = [], 0
  while chunk := _CHUNK.match(data, at):
    size, begin = int(chunk[1], 16), chunk.end()
    if not size:
      return b''.join(pieces)
    pieces.append(data[begin : begin + size])
    at = begin + size
    at += 2 if data.startswith(b'\r\n', at) else 1
  raise ValueError('ends before its last chunk')


def _inflate(data: bytes, window: int) -> bytes:
  """At most one byte more than a page may have, of all members of a gzip."""
  found = b''
  while len(found) <= LONGEST:
    stream = zlib.decompressobj(window)
    found += stream.decompress(data, LONGEST + 1 - len(found))
    if not stream.eof and len(found) <= LONGEST:
      raise ValueError('compressed data end before their end')
    data = stream.unused_data
    if not data.startswith(_GZIP):
      break
  return found


def _is_binary(data: bytes) -> bool:
  return bool(_BINARY.search(data[:_SNIFFED])) and not data.startswith(_MARKS)

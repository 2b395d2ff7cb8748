# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of WARC files: HTML that servers answered with status 200."""

from collections.abc import Iterator
import dataclasses
import io
import mmap
import re
from typing import BinaryIO
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
# Headers of records that hold a part of what was sent.
_OF_PARTS = ('WARC-Truncated', 'WARC-Segment-Number')
_HEAD_END = re.compile(rb'\r?\n\r?\n')
_FOLDED = re.compile(r'\r?\n[ \t]+')  # a line that goes on in the next
_STATUS = re.compile(r'(?:HTTP/[0-9.]+|ICY)\s+([0-9]{3})')
_CHUNK = re.compile(rb'([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n')
_GZIP, _ZSTD = b'\x1f\x8b', b'\x28\xb5\x2f\xfd'
# No text has these (WHATWG MIME Sniffing, §3).
_BINARY = re.compile(rb'[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]')
_SNIFFED = 1445  # bytes
_MARKS = (b'\xfe\xff', b'\xff\xfe', b'<\0', b'\0<')  # UTF-16 does
_IS_SHORT = 'record is cut short'
_BLANK = b'\r\n\r\n'  # before and after what a record holds
_LONGEST_RECORD = 2 * LONGEST


def read(path: str) -> Iterator[Item | Dropped]:
  """The pages of a file, and what is no page.

  Behind damage it goes on with the next record that can be found.
  """
  begin, answers, is_empty = 0, 0, True
  with opening.open_file(path) as file:
    while begin >= 0:
      file.seek(begin)
      records = ArchiveIterator(
          file, record_types=WarcRecordType.any_type, parse_http=False
      )
      at, size, held, error = -1, 0, None, None
      try:
        for record in records:
          if held is not None:  # it ends where this one begins
            yield held
          held, at = None, record.stream_pos
          size = record.content_length
          answers += record.record_type == WarcRecordType.response
          # Those that may have a page, and what has lost its head.
          if (record.record_type in _WITH_PAGES
              or record.headers.get('Content-Length') is None):
            is_empty = False
            held = _found(record, f'{path}, record {max(0, answers - 1)}')
      except OSError as damage:
        error, is_empty = damage, False
      end = _end_of_record(file, at, size) if at >= 0 else begin
      if error is not None and end < 0 and isinstance(held, Item):
        held = Dropped(_IS_SHORT, held.place)
      if held is not None:
        yield held
      if error is None and end >= 0 and not _has_more(file, end):
        break
      begin = _next_record(file, max(at + 1, begin + 1, end))
      swallowed = begin >= 0 and not isinstance(held, Dropped)
      if error is not None or swallowed or end >= 0:
        unseen = '' if begin >= 0 else ', what follows is not seen'
        why = f'{path}, byte {max(0, at)}: {error or "no record behind it"}'
        yield Dropped(f'file is damaged{unseen}', why)
  if is_empty:
    yield Dropped('file holds no page', path)


def _end_of_record(file: BinaryIO, begin: int, size: int) -> int:
  """Where a record ends, -1 if it is not as long as it says."""
  file.seek(begin)
  data = file.read(_LONGEST_RECORD)
  end = begin
  if data.startswith(_GZIP):
    stream = zlib.decompressobj(31)
    try:
      packed, data = data, stream.decompress(data, _LONGEST_RECORD)
    except zlib.error:
      return -1
    end += len(packed) - len(stream.unused_data)
  content = data.find(_BLANK) + len(_BLANK)
  if not data.startswith(_BLANK, content + size):
    return -1
  return end if end > begin else begin + content + size + len(_BLANK)


def _has_more(file: BinaryIO, begin: int) -> bool:
  file.seek(begin)
  return bool(file.read(_SNIFFED).strip())


def _next_record(file: BinaryIO, begin: int) -> int:
  """Where the next record begins, there or behind; -1 if there is none."""
  file.seek(0)
  is_zipped = file.read(2) == _GZIP
  mark = _GZIP + b'\x08' if is_zipped else b'\nWARC/1.'
  begin -= not is_zipped  # the end of a line before it
  with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
    while (found := data.find(mark, begin)) >= 0:
      if not is_zipped:
        return found + 1
      try:
        head = zlib.decompressobj(31).decompress(data[found : found + 4096], 5)
      except zlib.error:
        head = b''
      if head == b'WARC/':
        return found
      begin = found + 1
  return -1


def _found(record: WarcRecord, place: str) -> Item | Dropped:
  url = (record.headers.get('WARC-Target-URI') or '').strip('<>')
  try:
    return Item(f'{place} ({url})', _page(record, url))
  except Dropped as dropped:
    return dropped


def _page(record: WarcRecord, url: str) -> Page:
  """The page of a record.

  Raises:
    Dropped: it has none, or not the whole of it.
  """
  headers = record.headers
  kind, http = headers.get('Content-Type') or '', None
  data = record.reader.read(LONGEST + 1)
  is_long = len(data) > LONGEST
  if (len(data) < min(record.content_length, LONGEST + 1)
      or any(map(headers.get, _OF_PARTS)) or not headers.get('Content-Length')):
    raise Dropped(_IS_SHORT, url)
  if kind.strip().lower().startswith('application/http'):
    http, data = _split(data, url)
    kind = http.told('content-type')
  essence = re.split(r'[;,\s]', kind.strip(), maxsplit=1)[0].lower()
  if essence not in _TYPES and (essence or _is_binary(data)):
    raise Dropped('record is not HTML', f'{essence or "no type"}: {url}')
  if http is not None:
    if http.status != '200':
      raise Dropped('page has a status other than 200', f'{http.status}: {url}')
  if is_long:
    raise Dropped('page is too long', url)
  if http is not None:
    data = _body(data, http, url)
  return Page(url, data, charsets.of_content_type(kind))


@dataclasses.dataclass(frozen=True)
class _Http:
  """What a server says in front of what it sends."""

  status: str  # '200'; '' if it says none
  headers: tuple[tuple[str, str], ...]  # names in small letters, and values

  def told(self, name: str) -> str:
    """All that headers of a name tell."""
    return ', '.join(value for key, value in self.headers if key == name)


def _split(data: bytes, url: str) -> tuple[_Http, bytes]:
  """The head of a response, and its body; lines end as they like (RFC 9112).

  Raises:
    Dropped: the head does not end.
  """
  end = _HEAD_END.search(data)
  if end is None:
    raise Dropped(_IS_SHORT, url)
  head = _FOLDED.sub(' ', data[: end.start()].decode('latin-1'))
  first, *lines = re.split(r'\r?\n', head)
  status = _STATUS.match(first)
  pairs = (line.partition(':') for line in lines)
  headers = ((name.strip().lower(), value.strip()) for name, _, value in pairs)
  return _Http(status[1] if status else '', tuple(headers)), data[end.end() :]


def _body(data: bytes, http: _Http, url: str) -> bytes:
  """The page of a response, without the encodings that its headers tell.

  Where it lacks one that they tell, it was stored without, as is usual.

  Raises:
    Dropped: it is cut short, too long, or in an encoding that is not known.
  """
  told = f'{http.told("content-encoding")}, {http.told("transfer-encoding")}'
  names = [name.strip().lower() for name in told.split(',')]
  names = [name for name in names if name not in ('', 'identity')]
  length = re.fullmatch('[0-9]{1,18}', http.told('content-length'))
  if not names and length and int(length[0]) > len(data):
    raise Dropped(_IS_SHORT, url)
  try:
    for name in reversed(names):
      if len(data) <= LONGEST:
        data = _undo(name, data)
    is_packed = data.startswith((_GZIP, _ZSTD))
    if (names or is_packed) and len(data) <= LONGEST and _is_binary(data):
      raise ValueError(f'not in {" in ".join(names) or "plain text"}')
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

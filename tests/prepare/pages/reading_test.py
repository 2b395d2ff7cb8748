# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages as servers send them, out of WARC files."""

import contextlib
import gzip
import io
import re
import zlib

import brotli
from fastwarc import stream_io
import pytest

from flamingo_jax.prepare.pages import page
from flamingo_jax.prepare.pages import reading
from flamingo_jax.prepare.source import Dropped
from tests.prepare import exporters

PAGE = b'<html><p>Some words.</p></html>' * 20
ZIPPED = gzip.compress(PAGE, mtime=0)


def chunked(body):
  chunks = [body[i : i + 100] for i in range(0, len(body), 100)] + [b'']
  return b''.join(b'%x\r\n%s\r\n' % (len(chunk), chunk) for chunk in chunks)


def record(name, body=PAGE, head='', changes=(), **answer):
  """A response; of the record's own head, the first is changed to the second."""
  data = exporters.warc_record(f'http://x.org/{name}', body, head, **answer)
  for old, new in changes:
    data = data.replace(old.encode(), new.encode(), 1)
  return data


def read(path):
  units = reading.page_units([str(path)])
  return [found for unit in units for found in reading.read_pages(unit)]


def raw_deflate(body):
  packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
  return packer.compress(body) + packer.flush()


def zstd(body):
  file = io.BytesIO()
  with contextlib.closing(stream_io.ZstdWriter(file)) as writer:
    writer.write(body)
  return file.getvalue()


CHUNKED = 'Transfer-Encoding: chunked\r\n'
GZIP = 'Content-Encoding: gzip\r\n'
DEFLATE = 'Content-Encoding: deflate\r\n'
BROTLI = 'Content-Encoding: br\r\n'
EXTENDED = chunked(PAGE).replace(b'64\r\n', b'0064 ;a="b"\r\n')
SENT = [
    (PAGE, ''), (chunked(PAGE), CHUNKED), (EXTENDED, CHUNKED), (ZIPPED, GZIP),
    (chunked(ZIPPED), CHUNKED + GZIP), (PAGE, 'Content-Encoding: identity\r\n'),
    (ZIPPED, 'content-encoding: X-GZip\r\n'), (zlib.compress(PAGE), DEFLATE),
    (raw_deflate(PAGE), DEFLATE), (brotli.compress(PAGE), BROTLI),
    (zstd(PAGE), 'Content-Encoding: zstd\r\n'),
    (gzip.compress(zlib.compress(PAGE)), 'Content-Encoding: deflate, gzip\r\n'),
    (gzip.compress(zlib.compress(PAGE)), DEFLATE + GZIP),
    (ZIPPED, 'Transfer-Encoding: gzip\r\n'), (ZIPPED + b'\0\0', GZIP),
    (gzip.compress(PAGE[:99]) + gzip.compress(PAGE[99:]), GZIP),
    (ZIPPED, f'{GZIP}Content-Length: {len(ZIPPED)}\r\n'),
    # Stored without what its headers tell.
    (PAGE, GZIP), (PAGE, CHUNKED), (PAGE, CHUNKED + GZIP), (ZIPPED, CHUNKED + GZIP),
    (PAGE, DEFLATE), (PAGE, BROTLI), (PAGE, 'Content-Encoding: zstd\r\n'),
    (PAGE, 'Content-Encoding: unheard-of\r\n'),
    (PAGE, f'{GZIP}Content-Length: {len(ZIPPED)}\r\n'),
]
BROKEN = [
    (ZIPPED[:15] + b'wrong' + ZIPPED[20:], GZIP), (ZIPPED[:-20], GZIP),
    (chunked(ZIPPED)[:-30], CHUNKED + GZIP), (chunked(PAGE)[:-30], CHUNKED),
    (chunked(PAGE)[:-5], CHUNKED), (zlib.compress(PAGE)[:-9], DEFLATE),
    (brotli.compress(PAGE)[:-3], BROTLI), (zstd(PAGE)[:-3], BROTLI),
    (ZIPPED, 'Content-Encoding: unheard-of\r\n'), (ZIPPED, ''),
]


@pytest.mark.parametrize('pack, pack_all', [
    (bytes, bytes), (gzip.compress, bytes), (bytes, gzip.compress),
    (lambda data: data[:-4] + b'\r\n' * 4, bytes),
    (bytes, lambda data: data[:-4]),
], ids=['plain', 'gz', 'whole gz', 'wide', 'no end'])
def test_pages_are_as_they_were_before_they_were_sent(tmp_path, pack, pack_all):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(pack_all(b''.join(
      pack(record(i, *sent)) for i, sent in enumerate(SENT)
  )))
  assert [(item.value.url, item.value.data, item.value.charset)
          for item in read(path)] == [
      (f'http://x.org/{i}', PAGE, 'utf-8') for i in range(len(SENT))
  ]


@pytest.mark.parametrize('old, new', [
    ('\r\n\r\n<html>', '\n\n<html>'),
    ('200 OK\r\n', '200 OK\n'), ('200 OK', '200OK'), ('200 OK', '200'),
    ('Type: text/html;', 'Type: text/html;\r\n\t'),
    ('application/http;', 'Application/HTTP ;'),
])
def test_heads_are_written_in_many_ways(tmp_path, old, new):
  path = tmp_path / 'crawl.warc'
  data = record('a').replace(old.encode(), new.encode())
  at = data.index(b'HTTP/1.1')
  length = str(len(data) - at - 4).encode()
  path.write_bytes(
      re.sub(rb'(?<=\nContent-Length: )[0-9]+', length, data, count=1)
  )
  (item,) = read(path)
  assert item.value.data == PAGE and item.value.charset == 'utf-8'


@pytest.mark.parametrize('body, head', BROKEN, ids=range(len(BROKEN)))
def test_a_page_that_cannot_be_decoded_ends_no_file(tmp_path, body, head):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('a', body, head) + record('b', PAGE))
  dropped, item = read(path)
  assert dropped.reason == 'page cannot be decoded'
  assert dropped.detail.startswith('http://x.org/a: ')
  assert item.value.data == PAGE


@pytest.mark.parametrize('kind, charset', [
    ('Text/HTML', ''), ('TEXT/HTML ; Charset="GB2312"', 'GB2312'),
    ("text/html;a=b;charset='koi8-r'", 'koi8-r'), ('text/html charset=x', 'x'),
    ('application/XHTML+xml', ''), ('', ''),
])
def test_kinds_that_are_html(tmp_path, kind, charset):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('a', kind=kind))
  ((page, said),) = [(i.value.data, i.value.charset) for i in read(path)]
  assert (page, said) == (PAGE, charset)


def test_what_is_no_page_is_counted(tmp_path):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(b''.join([
      record('a'), record('b', kind='image/png'), record('c', kind='text/plain'),
      record('d', changes=[('response', 'request')]),
      record('e', changes=[('application/http; msgtype=response', 'text/dns')]),
      record('f', bytes(99), kind=''),
  ]))
  item, *dropped = read(path)
  assert item.value.data == PAGE
  assert [(d.reason, d.detail) for d in dropped] == [
      ('record is not HTML', 'image/png: http://x.org/b'),
      ('record is not HTML', 'text/plain: http://x.org/c'),
      ('record is not HTML', 'text/dns: http://x.org/e'),
      ('record is not HTML', 'no type: http://x.org/f'),
  ]


def test_resources_are_pages_too(tmp_path):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('a', changes=[
      ('response', 'resource'),
      ('application/http; msgtype=response', 'Text/Html;charset=gbk'),
  ]))
  (item,) = read(path)
  assert item.value.data.endswith(PAGE) and item.value.charset == 'gbk'


@pytest.mark.parametrize('pack', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_no_page_is_half_wherever_a_file_is_cut(tmp_path, pack):
  page = PAGE[:31]
  first, second = (pack(record(name, page)) for name in 'ab')
  path = tmp_path / 'crawl.warc'
  for end in range(1, len(second)):
    path.write_bytes(first + second[:end])
    whole, *rest = read(path)
    assert whole.value.data == page
    for found in rest:
      assert isinstance(found, Dropped) or found.value.data == page
    assert rest


@pytest.mark.parametrize('head, change', [
    ('', ('Content-Length: ', 'Content-Length: 9')),
    ('', ('Content-Length: ', 'Length: ')),
    ('', ('WARC-Date', 'WARC-Truncated: length\r\nWARC-Date')),
    ('', ('WARC-Date', 'WARC-Segment-Number: 1\r\nWARC-Date')),
    ('Content-Length: 99999\r\n', ('', '')),
])
def test_a_record_that_says_it_is_longer_is_cut_short(tmp_path, head, change):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('b') + record('a', PAGE, head, changes=[change]))
  item, dropped, *_ = read(path)
  assert item.value.data == PAGE
  assert (dropped.reason, dropped.detail) == (
      'record is cut short', 'http://x.org/a'
  )


LENGTH = 'Content-Length: 679'


@pytest.mark.parametrize('pack', [bytes, gzip.compress], ids=['plain', 'gz'])
@pytest.mark.parametrize('length', [9, 379, 678, 700, 979, 2000, 9000])
def test_a_wrong_length_takes_no_other_page_along(tmp_path, pack, length):
  path = tmp_path / 'crawl.warc'
  wrong = record('b', changes=[(LENGTH, f'Content-Length: {length}')])
  assert wrong != record('b')
  request = wrong.replace(b'WARC-Type: response', b'WARC-Type: request')
  path.write_bytes(b''.join(
      map(pack, [record('a'), wrong, record('c'), request, record('d')])
  ))
  found = read(path)
  pages = [item.value for item in found if not isinstance(item, Dropped)]
  assert [(page.url[-1], page.data) for page in pages] == [
      (name, PAGE) for name in 'acd'
  ]
  assert len(found) >= 5


@pytest.mark.parametrize('pack', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_damage_takes_one_page_along(tmp_path, pack):
  first, second, third = (pack(record(name)) for name in 'abc')
  path = tmp_path / 'crawl.warc'
  for place in (0, 3, 60):
    damaged = bytearray(second)
    damaged[place] ^= 0xff
    path.write_bytes(first + damaged + third)
    found = read(path)
    assert [f.value.data for f in (found[0], found[-1])] == [PAGE] * 2
    assert len(found) == 3
    if isinstance(found[1], Dropped):  # some bytes matter to nobody
      assert found[1].reason in ('file is damaged', 'record is cut short')


@pytest.mark.parametrize('status', ['404 Not Found', '301 Moved', '500', 'x'])
def test_errors_of_servers_are_no_pages(tmp_path, status):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('a', PAGE, status=status) + record('b', PAGE))
  dropped, item = read(path)
  assert dropped.reason == 'page has a status other than 200'
  assert dropped.detail.endswith('http://x.org/a')
  assert item.value.data == PAGE


def test_a_page_that_is_too_long_when_decoded(tmp_path):
  path = tmp_path / 'crawl.warc'
  bomb = gzip.compress(bytes(page.LONGEST + 1), mtime=0)
  path.write_bytes(record('a', bomb, GZIP) + record('b', PAGE))
  dropped, item = read(path)
  assert isinstance(dropped, Dropped) and dropped.reason == 'page is too long'
  assert item.value.data == PAGE

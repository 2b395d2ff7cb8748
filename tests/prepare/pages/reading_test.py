# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages as servers send them, out of WARC files."""

import gzip

import pytest

from flamingo_jax.prepare.pages import reading
from flamingo_jax.prepare.source import Dropped
from tests.prepare import exporters

PAGE = b'<html><p>Some words.</p></html>' * 20
ZIPPED = gzip.compress(PAGE, mtime=0)


def chunked(body):
  chunks = [body[i : i + 100] for i in range(0, len(body), 100)] + [b'']
  return b''.join(b'%x\r\n%s\r\n' % (len(chunk), chunk) for chunk in chunks)


def record(name, body, head='', status='200 OK'):
  return exporters.warc_record(f'http://x.org/{name}', body, head, status)


def read(path):
  units = reading.page_units([str(path)])
  return [found for unit in units for found in reading.read_pages(unit)]


CHUNKED = 'Transfer-Encoding: chunked\r\n'
GZIP = 'Content-Encoding: gzip\r\n'
SENT = [
    (PAGE, ''), (chunked(PAGE), CHUNKED), (ZIPPED, GZIP),
    (chunked(ZIPPED), CHUNKED + GZIP), (PAGE, 'Content-Encoding: identity\r\n'),
]
BROKEN = [
    (ZIPPED[:15] + b'wrong' + ZIPPED[20:], GZIP), (PAGE, GZIP),
    (PAGE, CHUNKED), (chunked(ZIPPED)[:-30], CHUNKED + GZIP),
    (PAGE, 'Content-Encoding: unheard-of\r\n'),
]


@pytest.mark.parametrize('pack', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_pages_are_as_they_were_before_they_were_sent(tmp_path, pack):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(b''.join(
      pack(record(i, *sent)) for i, sent in enumerate(SENT)
  ))
  assert [(item.value.url, item.value.data, item.value.charset)
          for item in read(path)] == [
      (f'http://x.org/{i}', PAGE, 'utf-8') for i in range(len(SENT))
  ]


@pytest.mark.parametrize('body, head', BROKEN, ids=range(len(BROKEN)))
def test_a_page_that_cannot_be_decoded_ends_no_file(tmp_path, body, head):
  path = tmp_path / 'crawl.warc'
  path.write_bytes(record('a', body, head) + record('b', PAGE))
  dropped, item = read(path)
  assert dropped.reason == 'page cannot be decoded'
  assert dropped.detail.startswith('http://x.org/a: ')
  assert item.value.data == PAGE


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
  bomb = gzip.compress(bytes(reading._LONGEST + 1), mtime=0)
  path.write_bytes(record('a', bomb, GZIP) + record('b', PAGE))
  dropped, item = read(path)
  assert isinstance(dropped, Dropped) and dropped.reason == 'page is too long'
  assert item.value.data == PAGE

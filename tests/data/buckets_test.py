# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shards in a bucket, which a server on this machine plays."""

import contextlib
import http.server
import re
import threading
import urllib.parse

import chex
import pytest

from flamingo_jax import cli
from flamingo_jax.data import buckets
from flamingo_jax.data import records
from flamingo_jax.data.batches import get_batches
from flamingo_jax.data.documents import image
from flamingo_jax.errors import UserError
from flamingo_jax.tasks import prepared
from tests.datasets import config, numbered
from tests.pictures import png
from tests.shards import write_shards

COUNT = 60


class Bucket:
  """gs://bucket/, of what lies in a folder.

  Attributes:
    asked: (name, first byte, last byte) of each request; None is the end.
    refuses: whether all requests are forbidden.
  """

  def __init__(self, root):
    self.root, self.asked, self.refuses = root, [], False

  def answer(self, address, wanted):
    """(status, bytes, headers) of a request as TensorStore makes it."""
    if self.refuses:
      return 403, b'', {}
    name = urllib.parse.unquote(
        re.match(r'/storage/v1/b/bucket/o/([^?]*)\?', address)[1]
    )
    first, last = re.match(r'bytes=(\d+)-(\d*)', wanted or 'bytes=0-').groups()
    first, last = int(first), int(last) if last else None
    self.asked.append((name, first, last))
    if not (self.root / name).is_file():
      return 404, b'', {}
    data = (self.root / name).read_bytes()
    part = data[first : None if last is None else last + 1]
    if not part:
      return 416, b'', {}
    end = first + len(part) - 1
    return 206 if wanted else 200, part, {
        'Content-Range': f'bytes {first}-{end}/{len(data)}',
        'x-goog-generation': '1',
    }


@pytest.fixture(scope='module')
def server():
  """A bucket whose folder each test chooses."""
  bucket = Bucket(None)

  class Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self):
      status, data, headers = bucket.answer(self.path, self.headers['Range'])
      self.send_response(status)
      for name, value in headers.items():
        self.send_header(name, value)
      self.send_header('Content-Length', str(len(data)))
      self.end_headers()
      self.wfile.write(data)

    def log_message(self, *unused):
      pass

  with contextlib.ExitStack() as stack:
    service = stack.enter_context(
        http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    )
    threading.Thread(target=service.serve_forever, daemon=True).start()
    stack.callback(service.shutdown)
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.setenv(
        'TENSORSTORE_GCS_HTTP_URL', f'http://127.0.0.1:{service.server_port}'
    )
    patch.setenv('GOOGLE_AUTH_TOKEN_FOR_TESTING', 'token')
    yield bucket


@pytest.fixture
def bucket(server, tmp_path):
  found = numbered(COUNT, lambda i: (image(png(i)), f'{i}'))
  write_shards(found, tmp_path / 'data/pages/train', shards=3)
  server.root, server.asked, server.refuses = tmp_path, [], False
  return server


def test_a_document_is_one_request_for_its_bytes(bucket):
  found = records.RecordDocuments('gs://bucket/data/pages/train')
  folder = 'data/pages/train'
  assert bucket.asked == [
      (f'{folder}/manifest.json', 0, None), (f'{folder}/index.npy', 0, None)
  ]
  here = records.RecordDocuments(bucket.root / folder)
  for i in range(COUNT):
    document = found[i]
    assert document.parts[0].data == here[i].parts[0].data == png(i)
    assert document.parts[1] == f'{i}'
    assert document.source.startswith(f'gs://bucket/{folder}/train-0000')
  reads = bucket.asked[2:]
  assert len(reads) == COUNT
  for shard in range(3):
    name = f'{folder}/train-{shard:05}-of-00003.tfrecord'
    edges = [asked[1:] for asked in reads if asked[0] == name]
    assert edges[0][0] == 0
    # Between two, the checksum of the record, for programs that read all.
    assert all(b[0] == a[1] + 5 for a, b in zip(edges, edges[1:]))


def test_each_host_reads_its_own_documents(bucket):
  cfg = config('pages', {'tokens': 8, 'media': 1, 'image_size': 4}, 4)

  def read(directory, host, count=3):  # of the 15 batches of an epoch
    prepared.add_task('pages', directory, augment='')
    bucket.asked.clear()
    batches = get_batches(cfg, host, 2)
    found = [next(batches) for _ in range(count)]
    return found, {asked for asked in bucket.asked if 'tfrecord' in asked[0]}

  (zero, first), (one, second) = (read('gs://bucket/data', i) for i in (0, 1))
  # Some are read ahead.
  assert min(len(first), len(second)) >= 6 and not first & second
  for host, expected in enumerate((zero, one)):
    found, asked = read(bucket.root / 'data', host)
    chex.assert_trees_all_equal(found, expected)
    assert not asked
  ids = [b['pages/example_id'].ravel().tolist() for b in zero + one]
  assert len(set(sum(ids, []))) == 12


def test_what_is_not_there_is_told(bucket):
  with pytest.raises(
      UserError, match='gs://bucket/data/clips/train must be prepared; make '
      'each with `flamingo prepare FORMAT PATH --out=DIR` and copy DIR there'
  ):
    prepared.add_task('clips', 'gs://bucket/data')
  assert records.exists(buckets.as_folder('gs://bucket/data/pages/train'))
  with pytest.raises(UserError, match='gs://bucket/no/manifest.json cannot be '
                     'read .No such file'):
    records.RecordDocuments('gs://bucket/no')
  bucket.refuses = True
  with pytest.raises(UserError, match='manifest.json cannot be read .*PERMISSION'):
    prepared.add_task('pages', 'gs://bucket/data')


def test_damage_is_told(bucket):
  found = records.RecordDocuments('gs://bucket/data/pages/train')
  shard = bucket.root / 'data/pages/train/train-00001-of-00003.tfrecord'
  whole = shard.read_bytes()
  shard.write_bytes(whole[:-9])
  assert found[20].parts[1] == '20'
  with pytest.raises(UserError, match='00001-of-00003.* cannot be read .OUT_OF'):
    found[39]
  shard.write_bytes(bytes(len(whole)))
  with pytest.raises(UserError, match='00001-of-00003.* is damaged at byte'):
    found[39]
  (bucket.root / 'data/pages/train/index.npy').write_bytes(b'none')
  with pytest.raises(UserError, match='index.npy is not an index'):
    records.RecordDocuments('gs://bucket/data/pages/train')


def test_preparing_into_a_bucket_is_refused(
    bucket, tmp_path, monkeypatch, capsys
):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'own.jsonl').write_text('{"parts": [{"text": "a"}]}\n')
  assert cli.main([
      'prepare', 'jsonl', 'own.jsonl', '--text', '--out=gs://bucket/own'
  ]) == 2
  assert 'is in a bucket; name a folder of this' in capsys.readouterr().err
  assert not bucket.asked and not (tmp_path / 'gs:').exists()

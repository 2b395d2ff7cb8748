# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that no reader should survive, for every reader of `prepare`.

A case is a good file with something done to it, or a file that was made to do
harm. Case i of a seed is the same everywhere.
"""

import base64
import functools
import gzip
import io
import json
import pathlib
import random
import tarfile
import tempfile
import zipfile

import numpy as np
import pyarrow
from pyarrow import parquet

from tests.pictures import png_by_hand
from tests.prepare import exporters

# What a reader is called, and how its files end.
READERS = {
    'jsonl': 'jsonl', 'jsonl_gz': 'jsonl.gz', 'jsonl_zip': 'jsonl.zip',
    'webdataset': 'tar', 'webdataset_gz': 'tar.gz', 'img2dataset': 'parquet',
    'img2dataset_tar': 'tar', 'img2dataset_tfrecord': 'tfrecord',
    'obelics': 'parquet', 'mmc4': 'jsonl', 'llava': 'json', 'video': 'mp4',
    'video_tar': 'tar', 'video_captions': 'csv', 'html': 'html',
    'html_warc': 'warc.gz', 'html_jsonl': 'jsonl', 'fetched': 'tar',
    'tfds': 'tfrecord-00000-of-00001',
}


def bomb_png(side=30_000):
  """A PNG whose header claims a square of black; 30,000 pixels are 2.7 GB."""
  return png_by_hand(side, side, bytes(2**20))


GOOD = exporters.picture()
IMAGES = (
    GOOD, exporters.picture(kind='JPEG'), exporters.picture(kind='GIF'),
    bomb_png(), b'', bomb_png(12_000), exporters.picture((1, 1)), GOOD[:100],
    b'\xff\xd8', b'<svg xmlns="http://www.w3.org/2000/svg"/>', bytes(1000),
)
_LAUGHS = '<!DOCTYPE lolz [<!ENTITY lol "lol">' + ''.join(
    f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">' for i in range(2, 10)
) + ']><lolz>&lol9;</lolz>'
_PROSE = exporters.PROSE.partition(' This page')[0]  # two sentences


def _tar(media, field='png', beside=lambda number: {
    'txt': f'caption {number}'.encode()}, mode='w'):
  buffer = io.BytesIO()
  with tarfile.open(fileobj=buffer, mode=mode) as archive:
    names = ['a', '../../escape', '/absolute/b', 'c' * 90, 'd/../../../e']
    for number, (name, one) in enumerate(zip(names, media)):
      for ending, data in {field: one, **beside(number)}.items():
        member = tarfile.TarInfo(f'{name}.{ending}')
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    link = tarfile.TarInfo('link.png')
    link.type, link.linkname = tarfile.SYMTYPE, '../../../etc/passwd'
    archive.addfile(link)
  return buffer.getvalue()


def _fetched_json(number):
  facts = {'url': 'http://a', 'caption': 'x', 'status': 'success'}
  return {'json': json.dumps(facts | {'key': number}).encode()}


def _tar_header(size):
  """Of a picture that claims to have so many bytes."""
  member = tarfile.TarInfo('huge.png')
  member.size = size
  return member.tobuf(tarfile.GNU_FORMAT)


@functools.cache
def _gzip_bomb(size, begin=b''):
  """Zeros, of which there are never many in memory."""
  buffer = io.BytesIO()
  with gzip.GzipFile(fileobj=buffer, mode='wb', mtime=0) as file:
    file.write(begin)
    for _ in range(size // 2**20):
      file.write(bytes(2**20))
  return buffer.getvalue()


@functools.cache
def _zip(name, data):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(name, data)
  return buffer.getvalue()


def _records(rows):
  """A TFRecord file of examples."""
  with tempfile.NamedTemporaryFile() as file:
    exporters.write_examples(file.name, rows)
    return pathlib.Path(file.name).read_bytes()


def _table(rows):
  buffer = io.BytesIO()
  parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
  return buffer.getvalue()


VIDEO = exporters.encode_video(np.stack([
    np.full((48, 64, 3), 40 * shade, np.uint8) for shade in range(6)
]), 2, 'libx264', 'yuv420p')


def _page(images):
  body = ''.join(
      f'<p>Picture {number}.</p>'
      f'<img src="data:image/png;base64,{base64.b64encode(image).decode()}">'
      for number, image in enumerate(images)
  )
  return (f'<html><body><p>{_PROSE}</p>{body}'
          '<img src="../../../../etc/passwd"></body></html>').encode()


def _warc(page):
  return gzip.compress(
      exporters.warc_record('http://a.b/c', page, kind='text/html'), mtime=0
  )


def good_file(reader, rng):
  """A file of a reader, of whose images some are none."""
  images = rng.sample(IMAGES, 5)
  if reader.startswith('jsonl'):
    lines = b'\n'.join(
        json.dumps({'parts': [{'image': name}, {'text': 'x'}]}).encode()
        for name in ('good.png', '../../escape.png', 'bomb.png', 'a\0b')
    )
    if reader == 'jsonl_gz':
      return gzip.compress(lines, mtime=0)
    return _zip('../../escape.jsonl', lines) if reader == 'jsonl_zip' else lines
  if reader == 'webdataset':
    return _tar(images)
  if reader == 'webdataset_gz':
    return _tar(images, mode='w:gz')
  if reader == 'video_tar':
    return _tar([VIDEO, images[0], VIDEO[: len(VIDEO) // 2]], 'mp4')
  if reader == 'video_captions':
    return b'videoid,name\ngood,x\n../../escape,y\n'
  if reader in ('img2dataset_tar', 'fetched'):
    return _tar([IMAGES[0], *images], beside=_fetched_json)
  if reader == 'img2dataset':
    return _table([{'png': i, 'caption': 'x'} for i in images])
  if reader == 'img2dataset_tfrecord':
    return _records([{'png': i, 'caption': b'x'} for i in images])
  if reader == 'tfds':
    return _records([{'image': i, 'said': b'x'} for i in images])
  if reader == 'obelics':
    return _table([{'images': ['http://a', None], 'texts': [None, 'text']}])
  if reader == 'mmc4':
    likeness = rng.choice([0.5, 1e400, -1])
    return json.dumps({
        'text_list': _PROSE.split('. '),
        'image_info': [{'raw_url': 'http://a'}, {'raw_url': 'http://gone'}],
        'similarity_matrix': [[likeness, 0.4], [0.3, 0.9]],
    }).encode()
  if reader == 'llava':
    return json.dumps([
        {'image': name, 'conversations': [
            {'from': 'human', 'value': '<image>'}, {'from': 'gpt', 'value': 'x'}
        ]} for name in ('good.png', '../../escape.png', 'bomb.png')
    ]).encode()
  if reader == 'video':
    return VIDEO
  page = _page(images)
  return {
      'html': page, 'html_warc': _warc(page),
      'html_jsonl': json.dumps({'url': 'http://a.b', 'html': page.decode()})
      .encode(),
  }[reader]


def _hostile(rng):
  """Files that are made to do harm, whatever they are called."""
  return rng.choice([
      b'', b'\n' * 99, _LAUGHS.encode(), b'[' * 100_000, b'{"a":' * 50_000,
      _gzip_bomb(2**28), _gzip_bomb(2**28, _tar_header(2**28)),
      _tar_header(2**40) + bytes(512), _zip('bomb', bytes(2**24)), _zip('x', b''),
      bomb_png(), b'<div>' * 100_000, b'<b><p>' * 10_000, b'<table>' * 20_000,
      json.dumps({'html': '<b><p>' * 9000}).encode(), b'1' * 10_000,
      b'PAR1' + bytes(99) + b'PAR1', b'WARC/1.0\r\nContent-Length: -5\r\n\r\n',
      b'WARC/1.0\r\nContent-Length: 999999999999\r\n\r\nx', b'\xff\xfe' * 999,
      b'{"parts": [{"text": "' + b'\\ud800' * 99 + b'"}]}', rng.randbytes(3000),
  ])


def case(reader, number, seed=0):
  """The bytes of one case."""
  rng = random.Random(f'{reader}:{number}:{seed}')
  kind = rng.randrange(4)
  if kind == 0:
    return _hostile(rng)
  data = bytearray(good_file(reader, rng))
  if kind == 1:
    return bytes(data[: rng.randrange(len(data))])
  if kind == 2:
    for _ in range(rng.choice([1, 3, 30])):
      data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)
  other = good_file(rng.choice([r for r in READERS]), rng)
  begin = rng.randrange(len(data))
  return bytes(data[:begin]) + other  # also a wrong ending, if begin is 0

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that no reader should survive, for every reader of `prepare`.

A case is a good file with something done to it, or a file that was made to do
harm. Case i of a seed is the same everywhere.
"""

import base64
import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
import zlib

import PIL.Image
import pyarrow
from pyarrow import parquet

# What a reader is called, and how its files end.
READERS = {
    'jsonl': 'jsonl', 'webdataset': 'tar', 'img2dataset': 'parquet',
    'obelics': 'parquet', 'mmc4': 'jsonl', 'llava': 'json', 'video': 'mp4',
    'html': 'html', 'html_warc': 'warc.gz', 'html_jsonl': 'jsonl',
}


def picture(size=(80, 70), kind='PNG'):
  """An encoded picture with something on it."""
  buffer = io.BytesIO()
  PIL.Image.effect_noise(size, 60).convert('RGB').save(buffer, kind)
  return buffer.getvalue()


def bomb_png(side=30_000):
  """A PNG whose header claims a square of black; 30,000 pixels are 2.7 GB."""
  def chunk(name, data):
    checked = name + data
    return (struct.pack('>I', len(data)) + checked
            + struct.pack('>I', zlib.crc32(checked)))

  header = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
  rows = zlib.compress(bytes(2**20))
  return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
          + chunk(b'IDAT', rows) + chunk(b'IEND', b''))


def _images():
  wrong = picture(kind='GIF')
  yield from (picture(), picture(kind='JPEG'), wrong, bomb_png(), b'',
              bomb_png(12_000), picture((1, 1)), picture()[:100], b'\xff\xd8',
              b'<svg xmlns="http://www.w3.org/2000/svg"/>', b'\0' * 1000)


IMAGES = tuple(_images())
_LAUGHS = '<!DOCTYPE lolz [<!ENTITY lol "lol">' + ''.join(
    f'<!ENTITY lol{i} "{f"&lol{i - 1};" * 10}">' for i in range(2, 10)
) + ']><lolz>&lol9;</lolz>'
_PROSE = (
    'These are the shapes of a small world that we have drawn for you, and '
    'what follows is a picture of each with a few words that say what it '
    'shows. Some of them are large and some are small, others have stripes or '
    'dots, and all stand on a light ground so that they can be seen.'
)


def _tar(images):
  buffer = io.BytesIO()
  with tarfile.open(fileobj=buffer, mode='w') as archive:
    names = ['a', '../../escape', '/absolute/b', 'c' * 90, 'd/../../../e']
    for number, (name, image) in enumerate(zip(names, images)):
      caption = f'caption {number}'.encode()
      for field, data in (('png', image), ('txt', caption)):
        member = tarfile.TarInfo(f'{name}.{field}')
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    link = tarfile.TarInfo('link.png')
    link.type, link.linkname = tarfile.SYMTYPE, '../../../etc/passwd'
    archive.addfile(link)
  return buffer.getvalue()


def _tar_bomb():
  """A sparse-looking member of a terabyte, of which nothing follows."""
  member = tarfile.TarInfo('huge.png')
  member.size = 2**40
  return member.tobuf(tarfile.GNU_FORMAT) + bytes(512)


def _table(rows):
  buffer = io.BytesIO()
  parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
  return buffer.getvalue()


def _video():
  import av

  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('h264', rate=2)
    stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
    for shade in range(6):
      image = PIL.Image.new('RGB', (64, 48), (40 * shade,) * 3)
      container.mux(stream.encode(av.VideoFrame.from_image(image)))
    container.mux(stream.encode(None))
  return buffer.getvalue()


VIDEO = _video()


def _page(images):
  body = ''.join(
      f'<p>Picture {number}.</p>'
      f'<img src="data:image/png;base64,{base64.b64encode(image).decode()}">'
      for number, image in enumerate(images)
  )
  return (f'<html><body><p>{_PROSE}</p>{body}'
          '<img src="../../../../etc/passwd"></body></html>').encode()


def _warc(page):
  body = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n' + page
  head = (b'WARC/1.0\r\nWARC-Type: response\r\n'
          b'WARC-Target-URI: http://a.b/c\r\n'
          b'WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n'
          b'WARC-Date: 2020-01-01T00:00:00Z\r\nContent-Type: application/http; '
          b'msgtype=response\r\nContent-Length: %d\r\n\r\n' % len(body))
  return gzip.compress(head + body + b'\r\n\r\n', mtime=0)


def good_file(reader, rng):
  """A file of a reader, of whose images some are none."""
  images = rng.sample(IMAGES, 5)
  if reader == 'jsonl':
    return b'\n'.join(
        json.dumps({'parts': [{'image': name}, {'text': 'x'}]}).encode()
        for name in ('good.png', '../../escape.png', 'bomb.png', 'a\0b')
    )
  if reader == 'webdataset':
    return _tar(images)
  if reader == 'img2dataset':
    return _table([{'png': i, 'caption': 'x'} for i in images])
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
  zipped = io.BytesIO()
  with zipfile.ZipFile(zipped, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('bomb', bytes(2**24))
  return rng.choice([
      b'', b'\n' * 99, _LAUGHS.encode(), b'[' * 100_000, b'{"a":' * 50_000,
      gzip.compress(bytes(2**24), mtime=0), zipped.getvalue(), _tar_bomb(),
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

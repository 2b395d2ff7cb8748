# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes documents in public formats, for tests that read them back.

A document is a list of parts: texts, and the encoded PNG of a picture.
"""

import csv
import html
import io
import json
import tarfile

import numpy as np
import PIL.Image
import pyarrow
from pyarrow import parquet

from tests.pictures import encode

# A page of the web has at least fifty words.
PROSE = (
    'These are the shapes of a small world that we have drawn for you, and '
    'what follows is a picture of each with a few words that say what it '
    'shows. Some of them are large and some are small, a few have stripes or '
    'dots, and all of them stand on a light ground so that they can be seen. '
    'This page is number {}.'
)


def picture(size=(80, 70), kind='PNG'):
  """An encoded picture with something on it."""
  return encode(PIL.Image.effect_noise(size, 60).convert('RGB'), kind)


def write_tar(path, samples):
  """Samples are {field: bytes}, in order."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with tarfile.open(path, 'w') as archive:
    for number, fields in enumerate(samples):
      for field, data in fields.items():
        member = tarfile.TarInfo(f'{number:09}.{field}')
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def webdataset(pairs, folder):
  """Two tar files of .png and .txt."""
  half = len(pairs) // 2
  for number, part in enumerate((pairs[:half], pairs[half:])):
    write_tar(folder / f'{number:05}.tar', [
        {'png': png, 'txt': text.encode()} for png, text in part
    ])


def img2dataset_tar(pairs, folder, url='http://x.org/{}.png'):
  """Tar files with JSON, and the Parquet of metadata beside them."""
  rows = [
      {'caption': text, 'url': url.format(i), 'status': 'success'}
      for i, (_, text) in enumerate(pairs)
  ]
  write_tar(folder / '00000.tar', [
      {'png': png, 'json': json.dumps(row).encode()}
      for (png, _), row in zip(pairs, rows)
  ])
  parquet.write_table(
      pyarrow.Table.from_pylist(rows), folder / '00000.parquet'
  )


def fetched(url, status='success', png=None):
  """A sample that img2dataset has fetched, or has not."""
  facts = {'url': url, 'status': status}
  return {'png': png or picture(), 'json': json.dumps(facts).encode()}


def mmc4_line(urls, sentences=('A text.',), similarity=((0.5,),)):
  """A page of MMC4."""
  return json.dumps({
      'text_list': sentences, 'image_info': [{'raw_url': url} for url in urls],
      'similarity_matrix': similarity,
  }) + '\n'


def img2dataset_parquet(pairs, folder):
  """Pixels in the column png; of the last row the download failed."""
  folder.mkdir()
  rows = [
      {'png': png, 'caption': text, 'status': 'success'} for png, text in pairs
  ]
  rows.append({'png': None, 'caption': 'x', 'status': 'failed_to_download'})
  parquet.write_table(
      pyarrow.Table.from_pylist(rows), folder / '0.parquet', row_group_size=3
  )


def img2dataset_tfrecord(pairs, folder):
  """One file of examples."""
  folder.mkdir()
  write_examples(folder / '00000.tfrecord', [
      {'png': png, 'caption': text.encode(), 'status': b'success'}
      for png, text in pairs
  ])


def write_examples(path, rows):
  """A TFRecord file; rows are {feature: bytes}."""
  import tensorflow as tf

  with tf.io.TFRecordWriter(str(path)) as writer:
    for row in rows:
      writer.write(tf.train.Example(features=tf.train.Features(feature={
          key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
          for key, value in row.items()
      })).SerializeToString())


def tfds(folder, features, examples, name='drawn'):
  """A prepared builder of TensorFlow Datasets, whose one split is train."""
  import tensorflow_datasets

  tensorflow_datasets.dataset_builders.store_as_tfds_dataset(
      name=name, version='1.0.0', data_dir=folder,
      features=tensorflow_datasets.features.FeaturesDict(features),
      split_datasets={'train': list(enumerate(examples))},
  )


def llava(pairs, folder):
  """A JSON array beside its images."""
  folder.mkdir()
  found = []
  for i, (png, text) in enumerate(pairs):
    (folder / f'{i}.png').write_bytes(png)
    found.append({'id': str(i), 'image': f'{i}.png', 'conversations': [
        {'from': 'human', 'value': '<image>\nWhat is this? "Say" {it}]'},
        {'from': 'gpt', 'value': text},
    ]})
  (folder / 'chat.json').write_text(json.dumps(found))


def jsonl(documents, folder):
  """Our own schema."""
  folder.mkdir()
  lines = []
  for i, parts in enumerate(documents):
    record = []
    for j, part in enumerate(parts):
      if isinstance(part, str):
        record.append({'text': part})
      else:
        (folder / f'{i}-{j}.png').write_bytes(part)
        record.append({'image': f'{i}-{j}.png'})
    lines.append(json.dumps({'parts': record}))
  (folder / 'own.jsonl').write_text('\n'.join(lines))


def fetch(documents, folder):
  """What img2dataset would fetch; returns the documents with URLs."""
  pairs, found = [], []
  for parts in documents:
    found.append([])
    for part in parts:
      if isinstance(part, bytes):
        url = f'http://x.org/{len(pairs)}.png'
        pairs.append((part, ''))
        part = {'url': url}
      found[-1].append(part)
  img2dataset_tar(pairs, folder)
  return found


def obelics(documents, folder):
  """Parquet and, in `fetched`, the images."""
  rows = []
  for parts in fetch(documents, folder / 'fetched'):
    rows.append({
        'images': [None if isinstance(p, str) else p['url'] for p in parts],
        'texts': [p if isinstance(p, str) else None for p in parts],
        'metadata': '[]',
        'general_metadata': json.dumps({'url': f'http://x.org/{len(rows)}'}),
    })
  parquet.write_table(
      pyarrow.Table.from_pylist(rows), folder / '0.parquet', row_group_size=2
  )


def mmc4(documents, folder):
  """JSONL and, in `fetched`, the images; each is like the text after it."""
  lines = []
  for parts in fetch(documents, folder / 'fetched'):
    sentences = [p for p in parts if isinstance(p, str)]
    images, similar = [], []
    for before, part in enumerate(parts):
      if not isinstance(part, str):
        images.append({'raw_url': part['url'], 'image_name': 'x'})
        sentence = sum(isinstance(p, str) for p in parts[:before])
        row = np.full(len(sentences), 0.1)
        row[sentence] = 0.4
        similar.append(row.tolist())
    lines.append(json.dumps({
        'text_list': sentences, 'image_info': images, 'url': f'u{len(lines)}',
        'similarity_matrix': similar,
    }))
  (folder / '0.jsonl').write_text('\n'.join(lines))


def page(parts, image):
  """HTML of a document; `image` makes the address of a picture."""
  body = ''.join(
      f'<p>{html.escape(part)}</p>' if isinstance(part, str) else
      f'<img src="{image(part)}">' for part in parts
  )
  return f'<html><body><nav>Menu</nav>{body}<footer>x</footer></body></html>'


def html_folder(documents, folder):
  """Pages with their images beside them."""
  (folder / 'img').mkdir(parents=True)
  names = iter(range(10**6))

  def save(png):
    name = f'img/{next(names)}.png'
    (folder / name).write_bytes(png)
    return name

  for i, parts in enumerate(documents):
    (folder / f'{i:03}.html').write_text(page(parts, save), encoding='utf-8')


def warc_record(
    url, body, head='', status='200 OK', kind='text/html; charset=utf-8'
):
  """A response as a crawler stores it."""
  content = (
      f'HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{head}\r\n'
  ).encode() + body
  return (
      f'WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\n'
      'WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n'
      'WARC-Date: 2020-01-01T00:00:00Z\r\n'
      'Content-Type: application/http; msgtype=response\r\n'
      f'Content-Length: {len(content)}\r\n\r\n'
  ).encode() + content + b'\r\n\r\n'


def html_warc(documents, folder):
  """A WARC file and, in `fetched`, the images."""
  folder.mkdir()
  (folder / 'crawl.warc').write_bytes(b''.join(
      warc_record(
          f'http://x.org/page{i}', page(parts, lambda p: p['url']).encode()
      )
      for i, parts in enumerate(fetch(documents, folder / 'fetched'))
  ))


def html_jsonl(documents, folder):
  """JSONL of pages and, in `fetched`, the images."""
  lines = [
      json.dumps({'url': f'http://x.org/page{i}',
                  'html': page(parts, lambda part: part['url'])})
      for i, parts in enumerate(fetch(documents, folder / 'fetched'))
  ]
  (folder / 'pages.jsonl').write_text('\n'.join(lines))


def encode_video(
    frames, rate=1, codec='libx264rgb', pix_fmt='rgb24', format='mp4', **options
):
  """uint8[T h w 3] as a video of `rate` frames per second.

  Without loss, but for what `pix_fmt` loses, unless options of the codec say
  else.
  """
  import av

  buffer = io.BytesIO()
  with av.open(buffer, 'w', format=format) as container:
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height = frames.shape[2], frames.shape[1]
    stream.pix_fmt, stream.options = pix_fmt, options or {'qp': '0'}
    for frame in frames:
      container.mux(
          stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
    container.mux(stream.encode(None))
  return buffer.getvalue()


def video_folder(pairs, folder):
  """Videos, with captions in a table."""
  folder.mkdir()
  with open(folder / 'captions.csv', 'w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['videoid', 'page_dir', 'name'])
    for i, (data, text) in enumerate(pairs):
      (folder / f'{i}.mp4').write_bytes(data)
      writer.writerow([i, 'p', text])


def video_tar(pairs, folder):
  """A tar file of .mp4 and .txt."""
  write_tar(folder / '0.tar', [
      {'mp4': data, 'txt': text.encode()} for data, text in pairs
  ])

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What flamingo prepare says to wrong input: one line, a path and a remedy."""

import gzip
import json
import tarfile

import pyarrow
from pyarrow import parquet
import pytest

from flamingo_jax import cli
from tests.prepare import exporters
from tests.prepare import mangled_files

URL = 'http://a.b/c.png'


def fetched(folder):
  """A folder as img2dataset writes it, with one picture."""
  exporters.write_tar(folder / '0.tar', [{
      'png': mangled_files.picture(),
      'json': json.dumps({'url': URL, 'status': 'success'}).encode(),
  }])
  return folder


def told(capsys, *arguments):
  """The one line that the command says, if it is a sentence."""
  assert cli.main(['prepare', *map(str, arguments), '--workers=0']) == 2
  message = capsys.readouterr().err
  assert message.count('\n') == 1 and 'Traceback' not in message, message
  sentence, _, remedy = message.rpartition('; ')
  assert sentence and remedy.strip(), message
  return message


def write_table(path, rows, columns):
  """A Parquet file; of no rows, if there are none."""
  types = pyarrow.schema([(name, pyarrow.string()) for name in columns])
  parquet.write_table(pyarrow.Table.from_pylist(rows, types), path)


def write_examples(path, features):
  """A TFRecord of one example."""
  import tensorflow as tf

  with tf.io.TFRecordWriter(str(path)) as writer:
    writer.write(tf.train.Example(features=tf.train.Features(feature={
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in features.items()
    })).SerializeToString())


CORRUPT = {
    'obelics': 'pages.parquet', 'mmc4': 'pages.jsonl.gz',
    'html': 'pages.jsonl.zip',
}


@pytest.mark.parametrize('name', CORRUPT)
@pytest.mark.parametrize('what', ['out', 'list_urls'])
def test_a_corrupt_file_is_told(tmp_path, capsys, name, what):
  path = tmp_path / CORRUPT[name]
  path.write_bytes(b'this is nothing that was compressed')
  message = told(
      capsys, name, path, f'--images={fetched(tmp_path / "fetched")}',
      f'--{what}={tmp_path / what}',
  )
  assert '1 times file ' in message and f'({path}' in message


@pytest.mark.parametrize('broken', ['0.jsonl.gz', '1.jsonl.gz'])
def test_urls_of_good_files_are_listed_beside_a_corrupt_one(
    tmp_path, capsys, broken
):
  line = json.dumps({
      'text_list': ['A text.'], 'image_info': [{'raw_url': URL}],
      'similarity_matrix': [[0.5]],
  })
  for name in ('0.jsonl.gz', '1.jsonl.gz'):
    (tmp_path / name).write_bytes(gzip.compress(line.encode()))
  (tmp_path / broken).write_bytes(b'nothing')
  out = tmp_path / 'urls.txt'
  assert cli.main(['prepare', 'mmc4', str(tmp_path), f'--list_urls={out}']) == 0
  assert out.read_text().split() == [URL]
  printed = capsys.readouterr().out
  assert f'1  file cannot be read (first: {tmp_path / broken}' in printed


def test_a_json_that_cannot_be_read_is_told(tmp_path, capsys, monkeypatch):
  (tmp_path / 'chat.json').write_text('[]')

  def refuse(path, *arguments):
    raise PermissionError(13, 'Permission denied')

  with monkeypatch.context() as patch:
    patch.setattr('builtins.open', refuse)
    message = told(
        capsys, 'llava', tmp_path / 'chat.json', f'--out={tmp_path / "out"}'
    )
  assert f'{tmp_path / "chat.json"} cannot be read (Permission' in message


EMPTY = {
    'jsonl': 'a.jsonl', 'webdataset': 'a.tar', 'img2dataset': 'a.parquet',
    'obelics': 'a.parquet', 'mmc4': 'a.jsonl', 'llava': 'a.jsonl',
    'html': 'a.jsonl', 'video': 'a.tar',
}


@pytest.mark.parametrize('name', EMPTY)
@pytest.mark.parametrize('kind', ['file', 'folder', 'no path'])
def test_an_empty_source_is_told(tmp_path, capsys, name, kind):
  path = tmp_path / 'in'
  if kind == 'folder':
    path.mkdir()
  elif kind == 'file':
    path = tmp_path / EMPTY[name]
    if path.suffix == '.tar':
      tarfile.open(path, 'w').close()
    elif path.suffix == '.parquet':
      write_table(path, [], ['images', 'texts', 'png', 'caption'])
    else:
      path.touch()
  flags = []
  if name in ('obelics', 'mmc4'):
    flags = [f'--images={fetched(tmp_path / "fetched")}']
  message = told(capsys, name, path, *flags, f'--out={tmp_path / "out"}')
  assert f'{path} ' in message
  assert {'file': 'holds no item', 'folder': 'holds no file',
          'no path': 'does not exist'}[kind] in message


@pytest.mark.parametrize('name, ending, write, missing', [
    ('obelics', 'parquet',
     lambda path: write_table(path, [], ['images']), "'texts'"),
    ('img2dataset', 'parquet',
     lambda path: write_table(path, [], ['url']), 'jpg'),
    ('img2dataset', 'parquet',
     lambda path: write_table(path, [], ['jpg']), "'caption'"),
    ('mmc4', 'jsonl',
     lambda path: path.write_text('{"text_list": []}'),
     "'image_info' nor 'similarity_matrix'"),
    ('html', 'jsonl',
     lambda path: path.write_text('{"text": "x"}'), '"html"'),
    ('llava', 'jsonl',
     lambda path: path.write_text('{"id": 1}'), 'no "image", only id'),
    ('llava', 'jsonl',
     lambda path: path.write_text('{"image": "a.png"}'),
     'no "conversations" nor "messages", only image'),
    ('jsonl', 'jsonl',
     lambda path: path.write_text('{"text": "x"}'), '"parts"'),
    ('webdataset', 'tar',
     lambda path: exporters.write_tar(path, [{'txt': b'x'}]),
     'it has txt, and none of jpg, jpeg, png'),
    ('webdataset', 'tar',
     lambda path: exporters.write_tar(path, [{'png': b'x'}]),
     "nothing in txt, nor in 'caption' of json (--text_key)"),
    ('video', 'tar',
     lambda path: exporters.write_tar(path, [{'mp4': b'x'}]),
     "nothing in txt, nor in 'caption' of json (--text_key)"),
    ('img2dataset', 'tfrecord',
     lambda path: write_examples(path, {'caption': b'x'}),
     'it has caption, and none of jpg, jpeg, png'),
    ('img2dataset', 'tfrecord',
     lambda path: write_examples(path, {'png': b'x'}),
     "nothing in txt, nor in 'caption' (--text_key)"),
])
def test_what_is_missing_is_told(
    tmp_path, capsys, name, ending, write, missing
):
  path = tmp_path / f'in.{ending}'
  write(path)
  flags = []
  if name in ('obelics', 'mmc4', 'html'):
    flags = [f'--images={fetched(tmp_path / "fetched")}']
  if name == 'llava':
    (tmp_path / 'a.png').write_bytes(mangled_files.picture())
  message = told(capsys, name, path, *flags, f'--out={tmp_path / "out"}')
  assert str(path) in message and missing in message


def test_a_table_of_captions_without_its_columns(tmp_path, capsys):
  (tmp_path / 'a.mp4').touch()
  captions = tmp_path / 'captions.csv'
  captions.write_text('film,said\na.mp4,x\n')
  message = told(
      capsys, 'video', tmp_path, f'--captions={captions}',
      f'--out={tmp_path / "out"}',
  )
  assert f'{captions} has no column path or file' in message


@pytest.mark.parametrize('flag', ['images', 'exclude_images'])
def test_a_folder_of_images_that_is_not_there(tmp_path, capsys, flag):
  folders = {'images': fetched(tmp_path / 'fetched'), flag: tmp_path / 'gone'}
  write_table(tmp_path / 'a.parquet', [], ['images', 'texts'])
  message = told(
      capsys, 'obelics', tmp_path / 'a.parquet', f'--out={tmp_path / "out"}',
      *(f'--{key}={value}' for key, value in folders.items()),
  )
  assert f'{tmp_path / "gone"} ' in message


@pytest.mark.parametrize('flags, sentence', [
    # By name, or processes might read different ones.
    ([], 'no feature for --image_key, only age, number, said, size; name a '),
    (['--split=test'], "no split 'test', only train; pass --split"),
])
def test_a_builder_without_a_feature(tmp_path, capsys, flags, sentence):
  import tensorflow as tf
  import tensorflow_datasets as tfds

  tfds.dataset_builders.store_as_tfds_dataset(
      name='told', version='1.0.0', data_dir=tmp_path / 'in',
      features=tfds.features.FeaturesDict({
          'size': tf.int64, 'said': tfds.features.Text(), 'number': tf.int64,
          'age': tf.int64,
      }),
      split_datasets={'train': [
          ('first', {'size': 9, 'said': 'a', 'number': 1, 'age': 5})
      ]},
  )
  capsys.readouterr()  # bars
  message = told(
      capsys, 'tfds', 'told', f'--data_dir={tmp_path / "in"}',
      f'--out={tmp_path / "out"}', *flags,
  )
  assert message.startswith(f'error: told has {sentence}'), message


def test_a_builder_that_is_not_there(tmp_path, capsys):
  message = told(capsys, 'tfds', 'no_such', f'--out={tmp_path / "out"}')
  assert 'no_such is no builder' in message

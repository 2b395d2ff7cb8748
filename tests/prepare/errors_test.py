# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What flamingo prepare says to wrong input: one line, a path and a remedy."""

import gzip
import tarfile

import pyarrow
from pyarrow import parquet
import pytest

from tests.prepare import exporters

URL = 'http://x.org/0.png'


def write_table(path, columns):
  """A Parquet file of no rows."""
  types = pyarrow.schema([(name, pyarrow.string()) for name in columns])
  parquet.write_table(pyarrow.Table.from_pylist([], types), path)


CORRUPT = {
    'obelics': 'pages.parquet', 'mmc4': 'pages.jsonl.gz',
    'html': 'pages.jsonl.zip',
}


@pytest.mark.parametrize('name', CORRUPT)
@pytest.mark.parametrize('what', ['out', 'list_urls'])
def test_a_corrupt_file_is_told(tmp_path, refuse, fetched, name, what):
  path = tmp_path / CORRUPT[name]
  path.write_bytes(b'this is nothing that was compressed')
  flags = [fetched] if what == 'out' else [f'--list_urls={tmp_path / what}']
  message = refuse(name, path, *flags, out=what if what == 'out' else None)
  assert '1 times file ' in message and f'({path}' in message


@pytest.mark.parametrize('broken', ['0.jsonl.gz', '1.jsonl.gz'])
def test_urls_of_good_files_are_listed_beside_a_corrupt_one(
    tmp_path, prepare, broken
):
  for name in ('0.jsonl.gz', '1.jsonl.gz'):
    line = exporters.mmc4_line([URL])
    (tmp_path / name).write_bytes(gzip.compress(line.encode()))
  (tmp_path / broken).write_bytes(b'nothing')
  urls = tmp_path / 'urls.txt'
  said = prepare('mmc4', tmp_path, f'--list_urls={urls}', out=None).said
  assert urls.read_text().split() == [URL]
  assert f'1  file cannot be read (first: {tmp_path / broken}' in said


def test_a_json_that_cannot_be_read_is_told(tmp_path, refuse, monkeypatch):
  path = tmp_path / 'chat.json'
  path.write_text('[]')

  def no_access(path, *arguments, **options):
    raise PermissionError(13, 'Permission denied')

  with monkeypatch.context() as patch:
    patch.setattr('builtins.open', no_access)
    message = refuse('llava', path)
  assert f'{path} cannot be read (Permission' in message


EMPTY = {
    'jsonl': 'a.jsonl', 'webdataset': 'a.tar', 'img2dataset': 'a.parquet',
    'obelics': 'a.parquet', 'mmc4': 'a.jsonl', 'llava': 'a.jsonl',
    'html': 'a.jsonl', 'video': 'a.tar',
}


@pytest.mark.parametrize('name', EMPTY)
@pytest.mark.parametrize('kind', ['file', 'folder', 'no path'])
def test_an_empty_source_is_told(tmp_path, refuse, fetched, name, kind):
  path = tmp_path / 'in'
  if kind == 'folder':
    path.mkdir()
  elif kind == 'file':
    path = tmp_path / EMPTY[name]
    if path.suffix == '.tar':
      tarfile.open(path, 'w').close()
    elif path.suffix == '.parquet':
      write_table(path, ['images', 'texts', 'png', 'caption'])
    else:
      path.touch()
  flags = [fetched] if name in ('obelics', 'mmc4') else []
  message = refuse(name, path, *flags)
  assert f'{path} ' in message
  assert {'file': 'holds no item', 'folder': 'holds no file',
          'no path': 'does not exist'}[kind] in message


WRITE = {
    'parquet': write_table,
    'jsonl': lambda path, text: path.write_text(text),
    'tar': lambda path, sample: exporters.write_tar(path, [sample]),
    'tfrecord': lambda path, row: exporters.write_examples(path, [row]),
}


@pytest.mark.parametrize('name, ending, content, missing', [
    ('obelics', 'parquet', ['images'], "'texts'"),
    ('img2dataset', 'parquet', ['url'], 'jpg'),
    ('img2dataset', 'parquet', ['jpg'], "'caption'"),
    ('mmc4', 'jsonl', '{"text_list": []}',
     "'image_info' nor 'similarity_matrix'"),
    ('html', 'jsonl', '{"text": "x"}', '"html"'),
    ('llava', 'jsonl', '{"id": 1}', 'no "image", only id'),
    ('llava', 'jsonl', '{"image": "a.png"}',
     'no "conversations" nor "messages", only image'),
    ('jsonl', 'jsonl', '{"text": "x"}', '"parts"'),
    ('webdataset', 'tar', {'txt': b'x'},
     'it has txt, and none of jpg, jpeg, png'),
    ('webdataset', 'tar', {'png': b'x'},
     "nothing in txt, nor in 'caption' of json (--text_key)"),
    ('video', 'tar', {'mp4': b'x'},
     "nothing in txt, nor in 'caption' of json (--text_key)"),
    ('img2dataset', 'tfrecord', {'caption': b'x'},
     'it has caption, and none of jpg, jpeg, png'),
    ('img2dataset', 'tfrecord', {'png': b'x'},
     "nothing in txt, nor in 'caption' (--text_key)"),
])
def test_what_is_missing_is_told(
    tmp_path, refuse, fetched, name, ending, content, missing
):
  path = tmp_path / f'in.{ending}'
  WRITE[ending](path, content)
  flags = [fetched] if name in ('obelics', 'mmc4', 'html') else []
  (tmp_path / 'a.png').write_bytes(exporters.picture())
  message = refuse(name, path, *flags)
  assert str(path) in message and missing in message


@pytest.mark.parametrize('flag', ['images', 'exclude_images'])
def test_a_folder_of_images_that_is_not_there(tmp_path, refuse, fetched, flag):
  path, gone = tmp_path / 'a.parquet', tmp_path / 'gone'
  write_table(path, ['images', 'texts'])
  message = refuse('obelics', path, fetched, f'--{flag}={gone}')
  assert f'{gone} ' in message


@pytest.mark.parametrize('flags, sentence', [
    # By name, or processes might read different ones.
    ([], 'no feature for --image_key, only age, number, said, size; name a '),
    (['--split=test'], "no split 'test', only train; pass --split"),
])
def test_a_builder_without_a_feature(tmp_path, refuse, flags, sentence):
  import tensorflow as tf
  import tensorflow_datasets as tfds

  exporters.tfds(tmp_path / 'in', {
      'size': tf.int64, 'said': tfds.features.Text(), 'number': tf.int64,
      'age': tf.int64,
  }, [{'size': 9, 'said': 'a', 'number': 1, 'age': 5}], 'told')
  message = refuse('tfds', 'told', f'--data_dir={tmp_path / "in"}', *flags)
  assert message.startswith(f'error: told has {sentence}'), message


def test_a_builder_that_is_not_there(refuse):
  assert 'no_such is not a builder' in refuse('tfds', 'no_such')

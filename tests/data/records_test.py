# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shards: what goes in comes out, and nothing that was damaged does."""

import concurrent.futures
import hashlib
import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from flamingo_jax.data import documents
from flamingo_jax.data import records
from flamingo_jax.errors import UserError
from tests.pictures import png
from tests.shards import write_shards


def make(count):
  return [
      documents.Document(
          (
              f'Nummer {i}: caf\u00e9 \U0001f9a9\n',
              documents.image(png(i)),
              ' ',
              documents.video(b'no video, but bytes are kept'),
          ),
          f'own.jsonl:{i + 1}',
          i + 1,
      )
      for i in range(count)
  ]


def plain(document):
  """The parts as values that can be compared."""
  return [
      part if isinstance(part, str) else (part.kind, part.path, part.data)
      for part in document.parts
  ]


@pytest.fixture
def folder(tmp_path):
  return write_shards(make(7), tmp_path / 'train', shards=3)


def test_the_same_documents_come_out_in_order(folder):
  found = records.RecordDocuments(folder)
  assert len(found) == 7
  for i, document in enumerate(make(7)):
    assert plain(found[i]) == plain(document)
    assert found[i].example_id == i
    # Messages lead to the shard and to what it was made of.
    assert f'.tfrecord, document {i} ({document.source})' in found[i].source
  for outside in (-1, 7):
    with pytest.raises(IndexError):
      found[outside]


def test_a_folder_describes_itself(folder):
  names = [f'train-0000{i}-of-00003.tfrecord' for i in range(3)]
  assert sorted(os.listdir(folder)) == ['index.npy', 'manifest.json', *names]
  manifest = json.loads((folder / 'manifest.json').read_text())
  assert manifest['documents'] == manifest['images'] == manifest['videos'] == 7
  assert [shard['file'] for shard in manifest['shards']] == names
  assert [shard['documents'] for shard in manifest['shards']] == [2, 2, 3]
  for entry in [*manifest['shards'], manifest['index']]:
    data = (folder / entry['file']).read_bytes()
    assert entry['bytes'] == len(data)
    assert entry['sha256'] == hashlib.sha256(data).hexdigest()


def test_shards_are_tfrecords_that_any_program_reads(folder):
  paths = sorted(map(str, folder.glob('*.tfrecord')))
  texts = []
  for record in tf.data.TFRecordDataset(paths).as_numpy_iterator():
    features = tf.train.Example.FromString(record).features.feature
    assert list(features['kind'].bytes_list.value) == [
        b'text', b'image', b'text', b'video'
    ]
    texts.append(features['value'].bytes_list.value[0].decode())
  assert texts == [document.parts[0] for document in make(7)]


def test_files_are_kept_as_they_are(tmp_path):
  path = tmp_path / 'a.png'
  path.write_bytes(png(3))
  document = documents.Document((documents.image(path), 'text'), 'x', 0)
  write_shards([document], tmp_path / 'one')
  path.unlink()
  (image, text) = records.RecordDocuments(tmp_path / 'one')[0].parts
  assert (image.kind, image.path, image.data, text) == (
      'image', str(path), png(3), 'text'
  )


def test_opening_reads_no_shard(folder):
  for path in folder.glob('*.tfrecord'):
    path.write_bytes(bytes(path.stat().st_size))  # all zeros
  assert len(records.RecordDocuments(folder)) == 7


def test_every_damaged_byte_is_found(folder):
  (path, *_) = sorted(folder.glob('*.tfrecord'))
  found = records.RecordDocuments(folder)
  whole = path.read_bytes()
  ends = found[0].source, found[1].source
  length = int.from_bytes(whole[:8], 'little') + 16
  for place in (0, 12, 40, length - 5):
    broken = bytearray(whole)
    broken[place] ^= 1
    path.write_bytes(broken)
    with pytest.raises(UserError, match=r'00000-of.* is damaged at byte 0;'):
      found[0]
    assert found[1].source == ends[1]
  path.write_bytes(whole)
  assert found[0].source == ends[0]


def cut(path):
  path.write_bytes(path.read_bytes()[:-9])


def fill_with_nonsense(path):
  path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize('name, harm, sentence', [
    ('train-00001-of-00003.tfrecord', cut, 'bytes, and its manifest says'),
    ('train-00001-of-00003.tfrecord', pathlib.Path.unlink,
     'cannot be read (No such file'),
    ('index.npy', cut, 'bytes, and its manifest says'),
    ('index.npy', fill_with_nonsense, 'is not an index'),
    ('manifest.json', cut, 'is not a manifest'),
    ('manifest.json', pathlib.Path.unlink, 'cannot be read (No such file'),
])
def test_what_the_manifest_does_not_say_is_told_at_opening(
    folder, name, harm, sentence
):
  harm(folder / name)
  with pytest.raises(UserError) as error:
    records.RecordDocuments(folder)
  message = str(error.value)
  assert message.startswith(str(folder / name)) and sentence in message
  assert 'flamingo prepare' in message and '\n' not in message


@pytest.mark.parametrize('change, sentence', [
    (lambda lists: lists.pop('kind'), 'its parts are none'),
    (lambda lists: lists.pop('source'), 'index out of range'),
    (lambda lists: lists.update(kind=[b'sound']), "its parts are b'sound'"),
    (lambda lists: lists.update(name=[]), 'zip'),
    (lambda lists: lists.update(value=[b'\xff']), "codec can't decode"),
    (lambda lists: 'no example', 'parsing'),
])
def test_an_intact_record_of_another_program_is_told(
    tmp_path, monkeypatch, change, sentence
):
  lists = {'kind': [b'text'], 'value': [b'x'], 'name': [b''], 'source': [b'y']}
  changed = change(lists)
  record = b'\xff' if changed == 'no example' else tf.train.Example(
      features=tf.train.Features(feature={
          key: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
          for key, values in lists.items()
      })
  ).SerializeToString()
  with monkeypatch.context() as patch:
    patch.setattr(records, '_encode', lambda *_: record)
    folder = write_shards(make(2), tmp_path / 'train')
  with pytest.raises(UserError) as error:
    records.RecordDocuments(folder)[1]
  told = str(error.value)
  assert '.tfrecord has a document 1 of another program (' in told
  assert sentence in told.lower() and '; copy it again' in told
  assert '\n' not in told


def test_a_shard_that_was_cut_while_in_use_is_told(folder):
  found = records.RecordDocuments(folder)
  cut(sorted(folder.glob('*.tfrecord'))[2])
  assert found[5].parts
  with pytest.raises(UserError, match='00002-of-00003.tfrecord is damaged'):
    found[6]


@pytest.mark.parametrize('part, sentence', [
    (documents.image('no_such.png'), r'own:9: image .*no_such.png does not'),
    (documents.image(np.zeros((4, 4, 3), np.uint8)), 'own:9: .* is an array'),
])
def test_a_document_that_cannot_be_read_is_told(tmp_path, part, sentence):
  bad = documents.Document((part, 'text'), 'own:9', 9)
  with pytest.raises(UserError, match=sentence):
    records.write_shard([*make(2), bad], tmp_path / 'shard')


def test_a_document_too_large_for_a_record_is_told(tmp_path, monkeypatch):
  monkeypatch.setattr(records, '_LARGEST', 50)
  with pytest.raises(UserError, match='own.jsonl:1 has .* more than the 50'):
    records.write_shard(make(1), tmp_path / 'shard')


def test_threads_read_the_same_object(folder):
  found = records.RecordDocuments(folder)
  places = [i % 7 for i in range(300)]
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    read = list(pool.map(lambda i: plain(found[i]), places))
  expected = [plain(document) for document in make(7)]
  assert read == [expected[i] for i in places]
  # Nothing that a forked process would share stays open.
  if os.path.isdir('/proc/self/fd'):
    links = [f'/proc/self/fd/{fd}' for fd in os.listdir('/proc/self/fd')]
    opened = [os.readlink(link) for link in links if os.path.exists(link)]
    assert not [path for path in opened if path.endswith('.tfrecord')]

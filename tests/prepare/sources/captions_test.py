# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Captions as WebDataset and img2dataset have them: texts, numbers, none."""

import json

import numpy as np
import pyarrow
from pyarrow import parquet
import pytest

from tests.prepare import exporters

VIDEO = exporters.encode_video(np.zeros((1, 16, 16, 3), np.uint8))


@pytest.mark.parametrize('written, caption', [
    ('"a dog"', 'a dog'), ('7', '7'), ('0', '0'), ('3.0', '3.0'),
    ('1e3', '1e3'), ('null', None), ('true', None), ('["a dog"]', None), ('{}', None),
    ('NaN', None),
])
@pytest.mark.parametrize('name', ['webdataset', 'img2dataset', 'video'])
def test_a_caption_is_a_text_or_a_number_as_json_has_it(
    tmp_path, prepare, name, written, caption
):
  good = {'png': exporters.picture(), 'txt': b'good', 'mp4': VIDEO}
  sample = {**good, 'json': b'{"caption": %s}' % written.encode()}
  del sample['txt']
  exporters.write_tar(tmp_path / 'in.tar', [good, sample])
  run = prepare(name, tmp_path / 'in.tar', out=name)
  texts = [parts[1] for parts in run.parts]
  assert texts == ['good', caption][: 1 + (caption is not None)]
  assert run.drops == ({} if caption else {'no caption': 1})


@pytest.mark.parametrize('column, captions', [
    (['a', None], ['a']), ([7, None], ['7']), ([2.5, float('nan')], ['2.5']),
    ([['a'], ['b']], []),
])
def test_captions_of_parquet(tmp_path, prepare, column, captions):
  table = {'png': [exporters.picture()] * 3, 'caption': [*column, column[0]]}
  parquet.write_table(pyarrow.table(table), tmp_path / 'a.parquet')
  if not captions:
    assert prepare('img2dataset', tmp_path, status=2).told
    return
  run = prepare('img2dataset', tmp_path)
  assert [parts[1] for parts in run.parts] == captions * 2
  assert run.drops == {'no caption': 1}


def test_pictures_as_hugging_face_has_them_in_parquet(tmp_path, prepare):
  png = exporters.picture()
  struct = {'bytes': png, 'path': 'a.png'}
  for name, column in (('a', [struct, {'bytes': None, 'path': 'a.png'}]),
                       ('b', [[struct], [struct, struct]])):
    table = pyarrow.table({'image': column, 'caption': ['one', 'two']})
    parquet.write_table(table, tmp_path / f'{name}.parquet')
  run = prepare('img2dataset', tmp_path)
  assert [parts[0].data for parts in run.parts] == [png, png]
  assert run.drops == {'medium is not of bytes': 2}


def test_columns_of_one_name_are_told(tmp_path, refuse):
  column = pyarrow.array(['a'])
  table = pyarrow.Table.from_arrays(
      [pyarrow.array([exporters.picture()]), column, column],
      ['png', 'caption', 'caption'],
  )
  parquet.write_table(table, tmp_path / 'a.parquet')
  assert "the column 'caption' twice" in refuse('img2dataset', tmp_path)


def test_a_second_picture_of_a_sample_is_counted(tmp_path, prepare):
  exporters.write_tar(tmp_path / 'in.tar', [{
      'jpg': exporters.picture(kind='JPEG'), 'png': exporters.picture(),
      'txt': b'a dog',
  }])
  run = prepare('webdataset', tmp_path)
  assert run.losses == {'sample has one more image': 1}
  assert run.manifest['images'] == 1


def test_a_key_that_comes_twice_drops_its_sample(tmp_path, prepare):
  good = {'png': exporters.picture(), 'txt': b'good'}
  facts = b'{"caption": "one", "caption": "another"}'
  exporters.write_tar(
      tmp_path / 'in.tar', [good, {'png': good['png'], 'json': facts}]
  )
  run = prepare('webdataset', tmp_path)
  assert run.drops == {'not JSON': 1} and run.manifest['documents'] == 1
  assert "the key 'caption' twice" in run.manifest['drops']['not JSON']['first']


def test_a_sentence_that_is_none_drops_its_page(tmp_path, prepare, fetched):
  url = 'http://x.org/0.png'
  lines = [exporters.mmc4_line([url], [text]) for text in ('A.', None)]
  assert json.loads(lines[1])['text_list'] == [None]
  (tmp_path / 'in.jsonl').write_text(''.join(lines))
  run = prepare('mmc4', tmp_path / 'in.jsonl', fetched)
  assert [parts[1] for parts in run.parts] == ['A.']
  assert run.drops == {'line is not a page of MMC4': 1}

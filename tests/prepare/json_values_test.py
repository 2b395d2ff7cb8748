# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Lines of archives, and objects of JSON arrays without reading the whole."""

import json
import time
import zipfile

import pytest

from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import Dropped


def read(path):
  return [
      item if isinstance(item, Dropped) else json.loads(item.value)
      for unit in json_values.array_units(str(path))
      for item in json_values.read_array(unit)
  ]


def test_objects_come_back_whatever_their_strings_hold(tmp_path):
  objects = [{'a': '}]"\\' * i, 'b': [{'c': i}]} for i in range(150)]
  path = tmp_path / 'a.json'
  path.write_text(json.dumps(objects, indent=1))
  assert len(list(json_values.array_units(str(path)))) == 3
  assert read(path) == objects


def test_an_array_that_is_cut_short_says_so(tmp_path):
  path = tmp_path / 'a.json'
  path.write_text('[{"a": 1}, {"a": 2')
  first, last = read(path)
  assert first == {'a': 1} and last.reason == 'file is not a whole JSON array'


def test_a_string_that_never_ends_takes_no_time(tmp_path):
  path = tmp_path / 'a.json'
  path.write_text('[{"a": "' + 'x\\n' * 300_000)
  begin = time.process_time()
  (only,) = read(path)
  assert isinstance(only, Dropped)
  assert time.process_time() - begin < 2


def test_all_files_of_an_archive_are_read(tmp_path):
  path = tmp_path / 'a.jsonl.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.mkdir('shards')
    archive.writestr('shards/0.jsonl', '{"a": 1}\n\n{"a": 2}\n')
    archive.writestr('shards/.DS_Store', b'\0\1')
    archive.writestr('__MACOSX/shards/._0.jsonl', b'\0\1')
    archive.writestr('shards/1.jsonl', '{"a": 3}')
  (unit,) = json_values.line_units(str(path))
  items = list(json_values.read_lines(unit))
  assert [json.loads(item.value)['a'] for item in items] == [1, 2, 3]
  assert [item.place for item in items] == [
      f'{path}, shards/0.jsonl:1', f'{path}, shards/0.jsonl:3',
      f'{path}, shards/1.jsonl:1',
  ]


def test_an_empty_archive_says_so(tmp_path):
  path = tmp_path / 'a.jsonl.zip'
  zipfile.ZipFile(path, 'w').close()
  (unit,) = json_values.line_units(str(path))
  with pytest.raises(Dropped, match='archive holds no file'):
    list(json_values.read_lines(unit))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of JSON arrays, found without reading the whole."""

import json
import time

from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import Dropped


def read(path):
  return [
      item if isinstance(item, Dropped) else json.loads(item.value)
      for unit in json_values.array_units([str(path)])
      for item in json_values.read_array(unit)
  ]


def test_objects_come_back_whatever_their_strings_hold(tmp_path):
  objects = [{'a': '}]"\\' * i, 'b': [{'c': i}]} for i in range(150)]
  path = tmp_path / 'a.json'
  path.write_text(json.dumps(objects, indent=1))
  assert len(json_values.array_units([str(path)])) == 3
  assert read(path) == objects


def test_an_array_that_is_cut_short_says_so(tmp_path):
  path = tmp_path / 'a.json'
  path.write_text('[{"a": 1}, {"a": 2')
  first, last = read(path)
  assert first == {'a': 1} and last.reason == 'file is no whole JSON array'


def test_a_string_that_never_ends_takes_no_time(tmp_path):
  path = tmp_path / 'a.json'
  path.write_text('[{"a": "' + 'x\\n' * 300_000)
  begin = time.process_time()
  (only,) = read(path)
  assert isinstance(only, Dropped)
  assert time.process_time() - begin < 2

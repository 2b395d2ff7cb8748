# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rows on disk are those that were put there, or none."""

import resource
import threading

from etils import epath
import numpy as np
import pytest

from flamingo_jax.data.feature_store import FeatureStore, digest
from flamingo_jax.errors import UserError

KEYS = [digest(bytes([i])) for i in range(60)]


def row(i):
  return np.full((2, 3), i, np.float32)


def opened(folder, **source):
  return FeatureStore(epath.Path(folder), (2, 3), 'float32', source)


def add(store, *numbers):
  store.add([KEYS[i] for i in numbers], np.stack(list(map(row, numbers))))


def numbers_of(store):
  """Of the rows that it finds, each of which is what was put there."""
  found = store.find(KEYS)
  numbers = [i for i, key in enumerate(KEYS) if key in found]
  for i in numbers:
    np.testing.assert_array_equal(found[KEYS[i]], row(i))
  return numbers


def change(path, place):
  data = bytearray(path.read_bytes())
  data[place] ^= 1
  path.write_bytes(data)


@pytest.mark.parametrize('file, place', [('features', 24), ('digests', 24 + 20)])
def test_a_row_that_has_changed_is_none(tmp_path, file, place):
  before = opened(tmp_path)
  add(before, 0, 1, 2)
  change(tmp_path / file, place)
  store = opened(tmp_path)
  assert numbers_of(store) == [0, 2]
  add(store, 1)
  assert numbers_of(store) == numbers_of(opened(tmp_path)) == [0, 1, 2]
  assert numbers_of(before) == [0, 1, 2]


def test_a_digest_that_has_changed_finds_nothing(tmp_path):
  add(opened(tmp_path), 0, 1)
  change(tmp_path / 'digests', 0)
  assert numbers_of(opened(tmp_path)) == [1]


def test_several_write_one_folder(tmp_path):
  stores = [opened(tmp_path) for _ in range(3)]
  errors = []

  def write(number):
    try:
      for i in range(number, len(KEYS), len(stores)):
        add(stores[number], i)
    except Exception as error:
      errors.append(error)

  threads = [
      threading.Thread(target=write, args=(i,)) for i in range(len(stores))
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not errors
  for store in (*stores, opened(tmp_path)):
    assert numbers_of(store) == list(range(len(KEYS)))


def test_what_did_not_fit_on_the_disk_is_not_there(tmp_path):
  store = opened(tmp_path)
  add(store, 0)
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))
  try:
    with pytest.raises(UserError, match='cannot be written .File too large'):
      add(store, 1, 2)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  assert numbers_of(store) == [0]
  add(store, 3)
  assert numbers_of(store) == numbers_of(opened(tmp_path)) == [0, 3]


def test_rows_of_something_else_are_refused(tmp_path):
  opened(tmp_path, encoder='a')
  with pytest.raises(UserError, match="encoder is 'a' there and 'b' in this run"):
    opened(tmp_path, encoder='b')

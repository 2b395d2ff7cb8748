# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What cannot be read is counted, and never ends a run of prepared data."""

from absl import logging
import chex
import numpy as np
import pytest

from flamingo_jax.data import features
from flamingo_jax.data import global_order
from flamingo_jax.data import pipeline
from flamingo_jax.data import unreadable
from flamingo_jax.data.batches import get_batches
from flamingo_jax.data.documents import image
from flamingo_jax.errors import UserError
from tests.datasets import config, numbered

NAME = 'unreadable_test'
COUNT = 20
BROKEN = {3, 4, 17}


def register(broken, **options):
  """Document i has a picture of colour i, or one that is no picture."""
  found = numbered(COUNT, lambda i: (
      image(b'-' if i in broken else np.full((4, 4, 3), i, np.uint8)), f'{i}'
  ))
  features.add_task(NAME, {'train': lambda: found}, **options)


def batches(shard=0, shards=1, shuffle=True):
  lengths = {'tokens': 8, 'media': 1, 'image_size': 4}
  return get_batches(config(NAME, lengths, 4, shuffle=shuffle), shard, shards)


def read(iterator, count=COUNT // 4):
  with pipeline.reading_errors():
    found = [next(iterator) for _ in range(count)]
  return {key: np.concatenate([b[key] for b in found]) for key in found[0]}


@pytest.mark.parametrize('shuffle', [True, False])
def test_others_take_their_place(shuffle):
  register(BROKEN, replace_unreadable=True)
  found = read(batches(shuffle=shuffle))
  ids = found[f'{NAME}/example_id'].ravel().tolist()
  assert len(ids) == COUNT and set(ids) == set(range(COUNT)) - BROKEN
  media = found[f'{NAME}/media'].reshape(COUNT, -1)
  assert (media == np.array(ids)[:, None]).all()  # never a blank picture
  if not shuffle:
    assert all(found == i for i, found in enumerate(ids) if i not in BROKEN)


@pytest.mark.parametrize('size', range(1, 17))
def test_a_single_good_document_is_found(size):
  order = global_order.GlobalOrder(size, each=1, stretches=1)
  for number in range(size):
    at = order.find(number)

    def make(attempt, at=at):
      (index,) = order.documents(order.instead(at, attempt), None)
      if index:
        raise UserError('broken')
      return {'example_id': np.array(index, np.int32)}

    unreadable.Unreadable('task').make(make)


def test_they_are_counted_and_told(monkeypatch):
  told = []
  monkeypatch.setattr(logging, 'warning', lambda *args: told.append(args))
  register(BROKEN, replace_unreadable=True)
  iterator = batches(shuffle=False)
  assert not iterator.unreadable()
  read(iterator)
  # Batches are read ahead, so the second epoch may have begun.
  assert iterator.unreadable()[f'unreadable/{NAME}'] >= len(BROKEN)
  text, *values = told[0]
  line = text % tuple(values)
  assert any(
      f'test:{i}: <image bytes> is not an image' in line for i in BROKEN
  ) and f'another document of {NAME!r} takes its place' in line


def test_hosts_and_resumed_runs_see_the_same():
  register(BROKEN, replace_unreadable=True)
  whole = read(batches())
  parts = [read(batches(shard, 2)) for shard in range(2)]
  rows = lambda tree: {k: v.reshape(5, -1, *v.shape[1:]) for k, v in tree.items()}
  together = {
      key: np.concatenate([rows(part)[key] for part in parts], 1)
      for key in whole
  }
  chex.assert_trees_all_equal(rows(whole), together)


def test_a_disk_that_is_gone_ends_the_run():
  register(range(COUNT), replace_unreadable=True)
  with pytest.raises(UserError, match='16 documents in a row cannot be read, the '
                     'last: test:.* is not an image'):
    read(batches())


def test_of_ones_own_files_one_is_an_error():
  register(BROKEN)
  with pytest.raises(UserError, match='^test:.* is not an image'):
    read(batches())

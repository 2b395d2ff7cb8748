# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Hosts read files of their own, and every document once an epoch."""

import collections

import chex
import numpy as np
import pytest

from flamingo_jax.data import features
from flamingo_jax.data import global_order
from flamingo_jax.data import pipeline
from flamingo_jax.data import records
from flamingo_jax.data import shuffling
from flamingo_jax.data import streams
from flamingo_jax.data import text
from flamingo_jax.data.batches import get_batches
from flamingo_jax.data.documents import image
from tests import datasets
from tests.pictures import png
from tests.shards import write_shards

NAME, TEXT = 'global_order_test', 'global_order_test_text'
COUNT, SHARDS, ROWS = 139, 8, 8
EPOCH = -(-COUNT // ROWS)  # batches
LENGTHS = {'tokens': 16, 'media': 1, 'image_size': 4}


def config(**changes):
  return datasets.config(NAME, LENGTHS, ROWS, **changes)


def folder_of(directory, broken=frozenset(), shards=SHARDS):
  """Document i has a picture of colour i, or one that is no picture."""
  found = datasets.numbered(COUNT, lambda i: (
      image(b'-' if i in broken else png(i)), f'{i} is here'
  ))
  return write_shards(found, directory, shards=shards)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return folder_of(tmp_path_factory.mktemp('order') / 'train')


@pytest.fixture
def task(folder):
  return add_task(folder)


def add_task(folder, **options):
  return features.add_task(
      NAME, {'train': lambda: records.RecordDocuments(folder)}, **options
  )


def read(batches, shard=0, shards=1, cfg=None):
  """Each feature as [batches, rows of the host, ...]."""
  found = datasets.read(cfg or config(), batches, shard, shards)
  return {
      key.split('/')[1]: np.stack([batch[key] for batch in found])
      for key in found[0]
  }


@pytest.fixture
def files(monkeypatch):
  """Counts the records that are read of each file."""
  found = collections.Counter()
  original = records._read_record

  def read_record(path, *args):
    found[path.name] += 1
    return original(path, *args)

  monkeypatch.setattr(records, '_read_record', read_record)
  return found


def test_a_host_reads_its_files_and_no_others(task, files):
  for host in range(4):
    files.clear()
    read(2 * EPOCH, host, 4)
    assert set(files) == {
        records.shard_name('train', shard, SHARDS)
        for shard in (2 * host, 2 * host + 1)
    }


def test_neighbours_alone_share_a_file_of_a_number_that_hosts_do_not_divide(
    tmp_path, files
):
  add_task(folder_of(tmp_path / 'train', shards=3))
  of_host = []
  for host in range(2):
    files.clear()
    read(EPOCH, host, 2)
    of_host.append({int(name.split('-')[1]) for name in files})
  assert of_host == [{0, 1}, {1, 2}]


# Of one host: how many there are changes no batch, as the next tests say.
@pytest.mark.parametrize('shuffle', [False, True])
def test_each_document_is_seen_once_an_epoch(task, shuffle):
  found = read(3 * EPOCH, cfg=config(shuffle=shuffle))
  ids = found['example_id']
  # A row that has no document left at the end of an epoch teaches nothing.
  assert ((ids == -1) == ~found['loss_weights'].any(axis=-1)).all()
  for epoch in np.split(ids.ravel(), 3):
    assert sorted(epoch[epoch >= 0]) == list(range(COUNT))
    assert (epoch == -1).sum() == EPOCH * ROWS - COUNT


def test_a_row_has_neighbours_in_another_order_in_each_epoch(task):
  ids = read(2 * EPOCH)['example_id'][..., 0]
  orders = set()
  for row in range(ROWS):
    begin, end = records.shard_range(COUNT, row, ROWS)
    for epoch in np.split(ids[:, row], 2):
      epoch = epoch[epoch >= 0]
      assert sorted(epoch) == list(range(begin, end))
      orders.add(tuple(epoch - begin))
  assert len(orders) == 2 * ROWS  # nor do rows march in step


@pytest.mark.parametrize('strategy, hosts', [
    ('accumulation', 4), ('round_robin', 2), ('merged', 2)])
def test_the_number_of_hosts_changes_no_batch(folder, strategy, hosts):
  add_task(folder, p_next=0.5, p_space=0.5, augment='flipped')
  cfg = config(strategy=strategy)
  whole = read(EPOCH + 2, cfg=cfg)
  parts = [read(EPOCH + 2, i, hosts, cfg) for i in range(hosts)]
  chex.assert_trees_all_equal(whole, {
      key: np.concatenate([part[key] for part in parts], axis=1)
      for key in whole
  })


@pytest.mark.parametrize('strategy', pipeline.STRATEGIES)
def test_a_run_goes_on_in_the_same_order_on_another_number_of_hosts(
    task, tmp_path, strategy
):
  cfg = config(strategy=strategy)
  hosts = get_batches(cfg, 1, 4)
  for _ in range(EPOCH - 1):
    next(hosts)
  hosts.save(tmp_path / 'state')
  alone = get_batches(cfg, 0, 1)
  alone.restore(tmp_path / 'state')
  for _ in range(4):
    rows = {key: value[2:4] for key, value in next(alone).items()}
    chex.assert_trees_all_equal(next(hosts), rows)


def test_the_number_of_shards_does_not_change_the_order(task, tmp_path):
  found = read(EPOCH)
  add_task(folder_of(tmp_path / 'train', shards=2))
  chex.assert_trees_all_equal(found, read(EPOCH))


def test_another_of_the_same_files_takes_the_place_of_what_is_unreadable(
    tmp_path, files
):
  broken = {0, 1, 20, 138}
  add_task(folder_of(tmp_path / 'train', broken), replace_unreadable=True)
  for host in range(SHARDS):
    files.clear()
    found = read(EPOCH, host, SHARDS)['example_id'].ravel()
    assert set(files) == {records.shard_name('train', host, SHARDS)}
    begin, end = records.shard_range(COUNT, host, SHARDS)
    mine = set(range(begin, end))
    assert set(found) - {-1} == mine - broken
    assert (found >= 0).sum() == len(mine)


def test_a_shard_that_is_damaged_does_not_end_a_run(tmp_path):
  begin, end = records.shard_range(COUNT, 2, SHARDS)
  broken = set(range(begin, end))
  add_task(folder_of(tmp_path / 'train', broken), replace_unreadable=True)
  whole = read(EPOCH)['example_id']
  # Its examples come from other stretches, and those from their own.
  assert set(whole.ravel()) - {-1} == set(range(COUNT)) - broken
  assert len(set(whole[:, 2].ravel())) > 10
  parts = [read(EPOCH, host, 4)['example_id'] for host in range(4)]
  np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_merged_stream_reads_so_too(folder, files):
  tasks = {name: 0.5 for name in (f'{NAME}_{i}' for i in range(2))}
  for name in tasks:
    features.add_task(
        name, {'train': lambda: records.RecordDocuments(folder)}
    )
  features.add_mixture(f'{NAME}_mixture', tasks)
  cfg = config(
      mixture_or_task_name=f'{NAME}_mixture',
      task_feature_lengths=dict.fromkeys(tasks, LENGTHS),
      batch_sizes=dict.fromkeys(tasks, ROWS // 2),
      strategy='merged',
  )
  for host in range(2):
    files.clear()
    ids = read(60, host, 2, cfg)['example_id']
    assert set(files) == {
        records.shard_name('train', shard, SHARDS)
        for shard in range(4 * host, 4 * host + 4)
    }
    mine = range(*records.shard_range(COUNT, host, 2))
    assert set(ids.ravel()) - {-1} == set(mine)


def test_a_row_of_a_merged_stream_takes_all_its_numbers():
  choices, numbers = zip(*(
      streams.Part(host, 2).drawn([0.5, 0.2, 0.3], 3, 8, [True, False, True])
      for host in range(2)
  ))
  of_rows, of_all = collections.defaultdict(list), []
  for host in range(2):
    found = [iter(stream.as_numpy_iterator()) for stream in numbers[host]]
    for i, stream in enumerate(choices[host].take(400).as_numpy_iterator()):
      number = int(next(found[stream]))
      if stream == 1:
        of_all.append(number)
      else:
        of_rows[stream, 4 * host + i % 4].append(number)
  assert sorted(of_all) == list(range(len(of_all)))
  assert len(of_rows) == 16
  for (_, row), found in of_rows.items():
    assert found == list(range(row, row + 8 * len(found), 8))


def test_packed_texts_are_read_so_too(folder, files):
  text.add_task(TEXT, {'train': lambda: records.RecordDocuments(folder)})
  cfg = config(
      mixture_or_task_name=TEXT,
      task_feature_lengths={TEXT: {'tokens': 64, 'documents': 3}},
      batch_sizes={TEXT: 2},
  )
  epoch = -(-(-(-COUNT // 2)) // 3)
  ids = []
  for host in range(2):
    files.clear()
    ids.append(read(2 * epoch, host, 2, cfg)['example_id'])
    assert set(files) == {
        records.shard_name('train', shard, SHARDS)
        for shard in range(4 * host, 4 * host + 4)
    }
  for found in np.split(np.concatenate(ids, axis=1), 2):
    assert sorted(found[found >= 0]) == list(range(COUNT))


def test_evaluation_reads_so_too(task, files):
  cfg = config(shuffle=False, seed=None)
  ids = []
  for host in range(2):
    files.clear()
    found = pipeline.get_training_eval_datasets(cfg, host, 2, EPOCH)[NAME]
    ids += [batch['example_id'] for batch in found.as_numpy_iterator()]
    assert len(files) == SHARDS // 2
  ids = np.concatenate(ids)
  assert sorted(ids[ids >= 0]) == list(range(COUNT))


@pytest.mark.parametrize('size, file_count, batch_size, stretches', [
    (128, 2, 8, 8),
    (127, 2, 8, 1),  # fewer than 16 for each example of a batch
    (10_000, 1, 8, 1),
    (10_000, 2, 1, 1),
])
def test_when_documents_are_dealt_out(size, file_count, batch_size, stretches):
  class Documents(list):
    pass

  found = Documents(range(size))
  found.file_count = file_count
  assert global_order.stretches_of(found, 1, batch_size) == stretches
  assert global_order.stretches_of([*found], 1, batch_size) == 1


def test_one_stretch_is_shuffled_as_it_always_was():
  # Models were trained in this order.
  order = global_order.GlobalOrder(10, 1, 1)
  at = [order.documents(order.find(i), (0, 7, 0))[0] for i in range(10)]
  assert at == [shuffling.shuffled(i, 10, (0, 7, 0)) for i in range(10)]
  assert at == [4, 7, 6, 9, 8, 0, 1, 2, 3, 5]

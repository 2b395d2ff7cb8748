# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of batches: their layout, order, strategies and resumption."""

import collections
import dataclasses

import chex
import numpy as np
import pytest

from flamingo_jax.data import features
from flamingo_jax.data import pipeline
from flamingo_jax.data.batches import get_batches
from flamingo_jax.data.documents import video
from flamingo_jax.data.vocabulary import default_vocabulary, train_vocabulary
from flamingo_jax.errors import UserError
from tests.datasets import config, numbered, read

SIZES = {'long': 10, 'short': 6}
CONFIG = config(
    'both',
    {
        'long': {'tokens': 12, 'media': 2, 'image_size': 4},
        'short': {'tokens': 6, 'media': 1, 'image_size': 4, 'frames': 2},
    },
    {'long': 8, 'short': 4},
)


def _documents(count, words):
  return numbered(count, lambda i: (
      video(np.full((3, 4, 4, 3), i, np.uint8)), ' '.join([str(i)] * words)
  ))


@pytest.fixture(autouse=True)
def tasks():
  features.add_task(
      'long', {'train': lambda: _documents(SIZES['long'], 20)}, p_next=0.5
  )
  features.add_task(
      'short', {'train': lambda: _documents(SIZES['short'], 1)}, p_space=0.5
  )
  features.add_mixture('both', {'long': 1.0, 'short': 0.25})


def _config(**kwargs):
  return dataclasses.replace(CONFIG, **kwargs)


def _ids(batches, task):
  return np.concatenate([b[f'{task}/example_id'].ravel() for b in batches])


def test_a_batch_is_flat_and_has_one_leading_size():
  (batch,) = read(CONFIG, 1)
  assert CONFIG.batch_size == 4
  assert {key: value.shape for key, value in batch.items()} == {
      'long/tokens': (4, 2, 12),
      'long/targets': (4, 2, 12),
      'long/loss_weights': (4, 2, 12),
      'long/media_index': (4, 2, 12),
      'long/media': (4, 2, 2, 1, 4, 4, 3),
      'long/media_mask': (4, 2, 2, 1),
      'long/example_id': (4, 2),
      'short/tokens': (4, 1, 6),
      'short/targets': (4, 1, 6),
      'short/loss_weights': (4, 1, 6),
      'short/media_index': (4, 1, 6),
      'short/media': (4, 1, 1, 2, 4, 4, 3),
      'short/media_mask': (4, 1, 1, 2),
      'short/example_id': (4, 1),
  }


def test_every_epoch_of_a_stream_has_every_document_once():
  batches = read(CONFIG, 15)
  for task, size in SIZES.items():
    ids = _ids(batches, task)
    epochs = ids[: len(ids) // size * size].reshape(-1, size)
    assert (np.sort(epochs) == np.arange(size)).all()


@pytest.mark.parametrize('strategy, hosts', [
    ('accumulation', 4), ('round_robin', 2), ('merged', 2)])
def test_the_number_of_hosts_changes_no_batch(strategy, hosts):
  # No epoch (10 and 6 documents) ends where a batch does, or a host's part.
  cfg = _config(strategy=strategy)
  whole = read(cfg, 6)
  parts = [read(cfg, 6, host, hosts) for host in range(hosts)]
  for step, batch in enumerate(whole):
    for key, value in batch.items():
      rows = [part[step][key] for part in parts]
      assert {len(x) for x in rows} == {cfg.batch_size // hosts}
      np.testing.assert_array_equal(np.concatenate(rows), value)


@pytest.mark.parametrize('strategy, steps', [
    ('accumulation', 7), ('round_robin', 7), ('merged', 7), ('merged', 0)])
def test_a_restored_iterator_goes_on_with_any_number_of_hosts(
    strategy, steps, tmp_path
):
  cfg = _config(strategy=strategy)
  iterator = get_batches(cfg, 1, 2)
  for _ in range(steps):
    next(iterator)
  iterator.save(tmp_path / 'state')
  assert (tmp_path / 'state').stat().st_size < 100  # it holds no picture
  restored = get_batches(cfg, 0, 1)
  next(restored)  # wherever it stood before
  restored.restore(tmp_path / 'state')
  half = cfg.batch_size // 2
  for _ in range(2):
    mine, whole = next(iterator), next(restored)
    chex.assert_trees_all_equal(
        mine, {key: value[half:] for key, value in whole.items()}
    )
  restored.reset()
  chex.assert_trees_all_equal(next(restored), read(cfg, 1)[0])


def test_round_robin_gives_turns_and_skips_nothing():
  batches = read(_config(strategy='round_robin'), 8)
  straight = read(CONFIG, 4)
  for step, batch in enumerate(batches):
    turn = ('long', 'short')[step % 2]
    for task in SIZES:
      mine = {k: v for k, v in batch.items() if k.startswith(task)}
      if task == turn:
        expected = {key: straight[step // 2][key] for key in mine}
        chex.assert_trees_all_equal(mine, expected)
      else:
        assert not mine[f'{task}/loss_weights'].any()
        assert not mine[f'{task}/media_mask'].any()
        assert (mine[f'{task}/example_id'] == -1).all()
  shapes = lambda batch: {key: value.shape for key, value in batch.items()}
  assert shapes(batches[0]) == shapes(batches[1]) == shapes(straight[0])


def test_merged_samples_by_weight_into_one_shape():
  cfg = _config(strategy='merged')
  batches = read(cfg, 50)
  assert cfg.batch_size == 12
  assert batches[0]['both/tokens'].shape == (12, 1, 12)
  assert batches[0]['both/media'].shape == (12, 1, 2, 2, 4, 4, 3)
  # `long` documents fill their 12 tokens, `short` ones do not.
  lengths = np.concatenate([
      b['both/loss_weights'].astype(bool).sum(axis=-1).ravel() for b in batches
  ])
  share = np.mean(lengths < 6)
  assert abs(share - 0.2) < 0.04  # 0.25 / 1.25


def test_weights_and_sizes_are_named_like_the_datasets_of_a_batch():
  assert pipeline.mixture_weights('both') == {'long': 1.0, 'short': 0.25}
  assert pipeline.mixture_weights('long') == {'long': 1.0}
  for strategy in pipeline.STRATEGIES:
    cfg = _config(strategy=strategy)
    (batch,) = read(cfg, 1)
    names = {key.split('/')[0] for key in batch}
    assert set(pipeline.dataset_weights(cfg)) == names
    counts = collections.Counter({
        name: batch[f'{name}/example_id'].size for name in names
    })
    assert pipeline.dataset_batch_sizes(cfg) == counts


def test_evaluation_gives_the_same_unprefixed_batches_every_time():
  cfg = _config(shuffle=False, seed=None)
  datasets = pipeline.get_training_eval_datasets(cfg, 0, 1, eval_steps=3)
  assert set(datasets) == {'long', 'short'}
  # Else who closes an iterator may wait for the tuner.
  for dataset in (*datasets.values(), pipeline.get_dataset(CONFIG, 0, 1)):
    assert dataset.options().autotune.enabled is False
  batches = list(datasets['long'].as_numpy_iterator())
  assert [batch['tokens'].shape for batch in batches] == [(8, 12)] * 3
  ids = np.concatenate([batch['example_id'] for batch in batches])
  np.testing.assert_array_equal(ids, np.arange(24) % 10)
  again = list(datasets['long'].as_numpy_iterator())
  chex.assert_trees_all_equal(batches, again)
  parts = [
      pipeline.get_training_eval_datasets(cfg, i, 2, 1) for i in range(2)
  ]
  ids = [next(iter(part['short']))['example_id'] for part in parts]
  np.testing.assert_array_equal(ids, [[0, 1], [2, 3]])


@pytest.mark.parametrize(
    'change, hosts, sentence',
    [
        ({'mixture_or_task_name': 'bath'}, 1, "no mixture or task 'bath'"),
        ({'split': 'trian'}, 1, "'long' has no split 'trian'; it has train"),
        ({'batch_sizes': {'long': 8}}, 1, "batch_sizes has no .* 'short'"),
        ({'batch_sizes': {'long': 8, 'short': 3}}, 2, 'is 1, which 2 hosts'),
        (
            {'task_feature_lengths': {'long': {'tokens': 4}}},
            1,
            "'long' are wrong at 'media'",
        ),
        ({'task_feature_lengths': {}}, 1, "_lengths has no entry .* 'long'"),
        ({'batch_sizes': {'long': 0, 'short': 4}}, 1, "'long'. is 0"),
        ({'seed': None}, 1, 'seed is None'),
        ({'strategy': 'both'}, 1, "strategy is 'both'; it must be one of"),
    ],
)
def test_what_does_not_fit_is_told(change, hosts, sentence):
  with pytest.raises(UserError, match=sentence):
    pipeline.get_dataset(_config(**change), 0, hosts)


@pytest.mark.parametrize('made, threads', [
    ((), None), (('long',), None), (('long', 'short'), 1)])
def test_one_thread_reads_what_python_alone_makes(made, threads):
  class Made(list):
    made_in_python = True

  for task in made:
    found = Made(_documents(SIZES[task], 20))
    features.add_task(task, {'train': lambda found=found: found})
  features.add_mixture('both', {'long': 1.0, 'short': 0.25})
  size = lambda dataset: dataset.options().threading.private_threadpool_size
  assert size(pipeline.get_dataset(CONFIG, 0, 1)) == threads
  assert read(CONFIG, 2)
  # Evaluation reads each task by itself.
  of_tasks = pipeline.get_training_eval_datasets(CONFIG, 0, 1, 2)
  for task, dataset in of_tasks.items():
    assert size(dataset) == (1 if task in made else None)


def test_an_error_while_reading_is_told_as_it_was_meant():
  class Broken:

    def __len__(self):
      return 3

    def __getitem__(self, index):
      raise UserError(f"own.jsonl:{index}: 'a.jpg' is gone; put it back")

  features.add_task('broken', {'train': Broken})
  cfg = config(
      'broken', CONFIG.task_feature_lengths['long'], 1, shuffle=False
  )
  with pytest.raises(UserError) as error:
    read(cfg, 1)
  assert str(error.value) == "own.jsonl:0: 'a.jpg' is gone; put it back"


def test_tasks_must_have_the_vocabulary_of_the_model(tmp_path):
  pipeline.check_vocabulary('both', default_vocabulary())
  other = train_vocabulary(['a b c'] * 50, tmp_path / 'other.model', 400)
  features.add_task(
      'short', {'train': lambda: _documents(6, 1)}, vocabulary=lambda: other
  )
  features.add_mixture('both', {'long': 1.0, 'short': 0.25})
  with pytest.raises(UserError, match="(?s)'short' is.*other.model.*same voc"):
    pipeline.check_vocabulary('both', default_vocabulary())

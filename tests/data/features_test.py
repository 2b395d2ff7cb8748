# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of seqio tasks over documents."""

import collections
import dataclasses

import chex
import numpy as np
import pytest
import seqio

from flamingo_jax.data import features
from flamingo_jax.data import interleaved
from flamingo_jax.data.documents import image
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from tests.datasets import numbered

LENGTHS = {'tokens': 12, 'media': 2, 'image_size': 4}


def _documents(count, words=1):
  """Document i: a picture of colour i, and a text of different words."""
  text = ' '.join(map(str, range(words)))
  return numbered(
      count, lambda i: (image(np.full((4, 4, 3), i, np.uint8)), text)
  )


def _task(count=10, words=1, name='features_test', **kwargs):
  return features.add_task(
      name, {'train': lambda: _documents(count, words)}, **kwargs
  )


def _read(task, shard=0, shards=1, lengths=LENGTHS, **kwargs):
  dataset = task.get_dataset(
      sequence_length=lengths,
      shard_info=seqio.ShardInfo(shard, shards),
      **{'seed': 0, 'shuffle': True} | kwargs,
  )
  return list(dataset.as_numpy_iterator())


def _ids(examples):
  return [int(example['example_id']) for example in examples]


def test_an_example_is_what_make_example_makes():
  (example, *_), document = _read(_task(), shuffle=False), _documents(1)[0]
  expected = interleaved.make_example(
      document,
      length=12,
      max_media=2,
      frames=1,
      image_size=4,
      vocabulary=default_vocabulary(),
      rng=None,
  )
  chex.assert_trees_all_equal(example, expected)
  chex.assert_trees_all_equal_dtypes(example, expected)


def test_unshuffled_is_the_order_of_the_source_without_augmentation():
  task = _task(words=30, p_next=1.0, p_space=1.0)
  examples = _read(task, shuffle=False, seed=5, num_epochs=2)
  assert _ids(examples) == 2 * list(range(10))
  chex.assert_trees_all_equal(examples[:10], examples[10:])
  assert all(example['media_index'][-1] == 1 for example in examples)


def test_every_epoch_has_every_document_in_another_order():
  ids = np.reshape(_ids(_read(_task(), num_epochs=5)), (5, 10))
  assert (np.sort(ids) == np.arange(10)).all()
  assert len({tuple(epoch) for epoch in ids}) == 5


def test_the_seed_and_the_name_alone_decide():
  first, again = _read(_task(), seed=3), _read(_task(), seed=3)
  chex.assert_trees_all_equal(first, again)
  assert _ids(_read(_task(), seed=4)) != _ids(first)
  # Two tasks with the same documents do not march in step.
  assert _ids(_read(_task(name='features_test_2'), seed=3)) != _ids(first)


@pytest.mark.parametrize('shards', [2, 3])
@pytest.mark.parametrize('shuffle', [False, True])
def test_shards_share_out_every_epoch_and_change_no_example(shards, shuffle):
  task, options = _task(words=30, p_next=0.5), {'shuffle': shuffle}
  whole = _read(task, num_epochs=2, **options)
  for shard in range(shards):
    part = _read(task, shard, shards, num_epochs=2, **options)
    chex.assert_trees_all_equal(
        part, whole[:10][shard::shards] + whole[10:][shard::shards]
    )


def test_a_document_gives_another_window_in_every_epoch():
  # A picture in every window: it may begin anywhere.
  pages = [
      dataclasses.replace(document, parts=tuple(
          part for j in range(20) for part in (document.parts[0], f' {j} x')
      ))
      for document in _documents(10)
  ]
  task = features.add_task('features_test', {'train': lambda: pages})
  by_document = collections.defaultdict(set)
  for example in _read(task, num_epochs=20):
    by_document[int(example['example_id'])].add(example['tokens'].tobytes())
  # One of more than 100 starts each time, of which some come twice.
  assert all(len(windows) > 12 for windows in by_document.values())


def test_a_split_is_read_only_when_it_is_asked_for():
  loads = []
  task = features.add_task(
      'features_test',
      {
          'train': lambda: loads.append('train') or _documents(3),
          'validation': lambda: loads.append('validation') or _documents(3),
      },
  )
  assert not loads
  for _ in range(2):
    _read(task, split='validation')
  assert loads == ['validation']


def test_tasks_can_be_registered_again_and_mixed():
  _task(3), _task(4)
  _task(2, name='features_test_2')
  for _ in range(2):
    mixture = features.add_mixture(
        'features_test_mixture', {'features_test': 1.0, 'features_test_2': 0.2}
    )
  assert [mixture.get_rate(task) for task in mixture.tasks] == [1.0, 0.2]
  # seqio's own sampling of mixtures works as well.
  examples = mixture.get_dataset(LENGTHS, 'train', seed=0, num_epochs=1)
  assert len(list(examples)) > 0


@pytest.mark.parametrize(
    'lengths, word',
    [
        (None, 'tokens'),
        ({'tokens': 8, 'media': 1}, 'image_size'),
        ({'tokens': 8, 'media': 0, 'image_size': 4}, 'media'),
        ({'tokens': 8.5, 'media': 1, 'image_size': 4}, 'tokens'),
        ({'tokens': 8, 'media': 1, 'image_size': 4, 'frame': 2}, 'frame'),
    ],
)
def test_wrong_lengths_are_told(lengths, word):
  with pytest.raises(UserError, match=f"'features_test' are wrong at '{word}'"):
    _read(_task(), lengths=lengths)


def test_more_shards_than_documents_are_refused():
  with pytest.raises(UserError, match='2 documents, too few for 3 shards'):
    _read(_task(2), 0, 3)

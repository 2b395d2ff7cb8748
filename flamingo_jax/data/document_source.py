# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents as a source of seqio: it yields the numbers of examples."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import typing
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import streams
from flamingo_jax.data.documents import Document
from flamingo_jax.data.unreadable import Unreadable
from flamingo_jax.data.vocabulary import LoadVocabulary, Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import Lengths


@typing.runtime_checkable
class Documents(typing.Protocol):
  """Documents by index: a list, `JsonlDocuments`, `RecordDocuments`, yours.

  If all that a batch is read from have a `made_in_python` that is true, one
  thread reads them: several would wait for each other to have the interpreter.
  If they have a `file_count` above 1, the number of files in which they lie in
  order, about as many in each, hosts read their own (`global_order`).
  """

  def __len__(self) -> int:
    ...

  def __getitem__(self, index: int, /) -> Document:
    ...


# Splits by name; a split is read when it is first asked for.
Splits = Mapping[str, Callable[[], Documents]]


def splits_of(found: Mapping[str, Documents]) -> Splits:
  """Splits of documents that are open already."""
  return {split: functools.partial(found.__getitem__, split) for split in found}


# What the lengths of an example look like.
LENGTHS = {'tokens': 256, 'media': 5, 'frames': 1, 'image_size': 320}
UNSHUFFLED = -1  # in the place of a seed: nothing is drawn or augmented


@dataclasses.dataclass(frozen=True)
class Share(seqio.ShardInfo):
  """The examples of an endless stream that one host reads, by their numbers.

  It takes the way of a seqio.ShardInfo through seqio; nothing is repeated.
  """

  numbers: tf.data.Dataset  # of the examples
  stretches: int  # of documents, as in `global_order`


class DocumentSource(seqio.DataSource):
  """Yields the numbers of examples, and has the documents they are made of."""

  augments = False  # whether a picture is another one in each epoch
  # Those that others took the place of; None: they end the run.
  unreadable: Unreadable | None = None

  def __init__(
      self,
      name: str,
      splits: Splits,
      load_vocabulary: LoadVocabulary,
      lengths: Lengths = LENGTHS,
  ):
    # Shuffling is internal, so that seqio never holds decoded media in a
    # shuffle buffer; the number of examples stays untold, so that it never
    # caches them in memory (both would enter every checkpoint).
    super().__init__(
        splits=splits, caching_permitted=False, performs_internal_shuffling=True
    )
    self.lengths = lengths  # an example of those that have to be given
    self._name = name
    self._load = splits
    self._load_vocabulary = load_vocabulary
    self._documents: dict[str, Documents] = {}

  @functools.cached_property
  def vocabulary(self) -> Vocabulary:
    return self._load_vocabulary()

  def documents(self, split: str) -> Documents:
    """The documents of a split, in the order of their source."""
    if split not in self._documents:
      self._documents[split] = self._load[split]()
    return self._documents[split]

  @property
  def supports_arbitrary_sharding(self) -> bool:
    return True

  def list_shards(self, split: str) -> list[str]:
    return [split]

  def get_dataset(
      self,
      split: str = 'train',
      shuffle: bool = True,
      seed: int | None = None,
      shard_info: seqio.ShardInfo | None = None,
      **unused: Any,
  ) -> tf.data.Dataset:
    """The examples of a `Share`; else one epoch of one shard.

    Their numbers count through the epochs: with 10 documents, number 23 is the
    third of the third epoch. Those of a shard are shard, shard + shards, ...
    With several stretches of documents, an epoch ends with the longest.
    """
    size = len(self.documents(split))
    if not shuffle:
      seed = UNSHUFFLED
    elif seed is None:
      seed = int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(shard_info, Share):
      numbers, stretches = shard_info.numbers, shard_info.stretches
      length = streams.ENDLESS
    else:
      shard, shards = 0, 1
      if shard_info:
        shard, shards = shard_info.index, shard_info.num_shards
      if size < shards:
        raise UserError(
            f'split {split!r} of task {self._name!r} has {size} documents, too '
            f'few for {shards} shards; add documents or use fewer shards'
        )
      numbers = tf.data.Dataset.range(shard, size, shards)
      length, stretches = len(range(shard, size, shards)), 1
    return numbers.map(
        lambda number: {
            'number': number,
            'stretches': tf.constant(stretches, tf.int64),
            'length': tf.constant(length, tf.int64),
            'split': tf.constant(split),
            'seed': tf.constant(seed, tf.int64),
        }
    )

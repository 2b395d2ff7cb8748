# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which examples a host reads, and how streams of them become batches.

Everything here is a pure function of seed and number, so that reading can begin
at any batch, and so that the number of hosts does not change what any of the
examples of a batch is.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf

ENDLESS = np.iinfo(np.int64).max
_PREFETCH = 2  # batches read ahead of the one in use


@dataclasses.dataclass(frozen=True)
class Part:
  """What one host reads: its equal part of every batch, from one batch on."""

  index: int  # of the host
  count: int  # hosts
  first: int = 0  # batches that are left out

  def numbers(self, batch_size: int) -> tf.data.Dataset:
    """The numbers of this host's examples of one stream.

    The second of two hosts, batches of 4 over all of them: 2 3 6 7 10 11 ...
    """
    size = batch_size // self.count
    start = self.first * batch_size + self.index * size
    @tf.autograph.experimental.do_not_convert
    def of_batch(begin):
      return tf.data.Dataset.range(begin, begin + size)

    return tf.data.Dataset.range(start, ENDLESS, batch_size).flat_map(of_batch)

  def drawn(
      self,
      weights: Sequence[float],
      seed: int,
      batch_size: int,
      by_row: Sequence[bool],
  ) -> tuple[tf.data.Dataset, list[tf.data.Dataset]]:
    """Draws each example of a batch from one of several streams.

    Args:
      weights: of the streams; one is drawn in proportion to it.
      seed: of the draws.
      batch_size: examples of a batch over all hosts.
      by_row: of each stream whether the r-th example of a batch takes r,
        r + batch_size, r + 2 batch_size ... of it, as stretches of documents
        need it; else they are taken one after another.

    Returns:
      For this host's examples, which stream each comes from, and for every
      stream the numbers in it of those that come from it. Hosts together take
      no example twice.
    """
    edges = tf.constant(np.cumsum(weights)[:-1] / sum(weights), tf.float32)
    size = batch_size // self.count
    mine = slice(self.index * size, (self.index + 1) * size)
    rows = tf.range(batch_size, dtype=tf.int64)

    def draw(batch):
      u = tf.random.stateless_uniform([batch_size], seed=[seed, batch])
      streams = tf.searchsorted(edges, u, side='right', out_type=tf.int64)
      return streams, tf.one_hot(streams, len(weights), dtype=tf.int64)

    @tf.autograph.experimental.do_not_convert
    def add(taken, batch):
      return taken + draw(batch)[1]

    @tf.autograph.experimental.do_not_convert
    def scan(taken, batch):
      streams, of_stream = draw(batch)
      of_row = taken * batch_size + rows[:, None]
      of_all = tf.reduce_sum(taken, 0) + tf.cumsum(of_stream, exclusive=True)
      numbers = tf.gather(
          tf.where(tf.constant(by_row), of_row, of_all), streams, batch_dims=1
      )
      return taken + of_stream, (streams[mine], numbers[mine])

    batches = tf.data.Dataset.range(self.first, ENDLESS)
    taken = tf.data.Dataset.range(self.first).reduce(
        tf.zeros([batch_size, len(weights)], tf.int64), add
    )
    draws = batches.scan(taken, scan)

    def numbers_of(stream):
      return draws.map(
          lambda streams, numbers: numbers[streams == stream]
      ).unbatch()

    choices = draws.map(lambda streams, numbers: streams).unbatch()
    return choices, [numbers_of(stream) for stream in range(len(weights))]

  def turns(self, turn: int, turns: int) -> 'Part':
    """The part of a stream that has its turn in batches turn, turn + turns."""
    return dataclasses.replace(
        self, first=len(range(turn, self.first, turns))
    )


def in_parallel(
    dataset: tf.data.Dataset, function: Callable[..., Any]
) -> tf.data.Dataset:
  """Maps by as many calls at a time as there are CPUs.

  tf.data would choose as many at most, and its tuner is off in all that is read
  from this: now and then, closing an iterator waited seconds for it.
  """
  options = tf.data.Options()
  options.autotune.enabled = False
  mapped = dataset.map(function, num_parallel_calls=os.cpu_count())
  return mapped.with_options(options)


def batch(
    stream: tf.data.Dataset, rows: int, per_row: int
) -> tf.data.Dataset:
  """Examples [...] to batches [rows, per_row, ...]."""

  @tf.autograph.experimental.do_not_convert
  def into_rows(batch):
    return {
        key: tf.reshape(x, [rows, per_row, *x.shape[1:]])
        for key, x in batch.items()
    }

  return stream.batch(rows * per_row, drop_remainder=True).map(into_rows)


def blank(spec: Mapping[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
  """Nothing to learn from: loss weights and masks of 0, and ids of -1."""
  none = {
      key: np.zeros(found.shape, found.dtype.as_numpy_dtype)
      for key, found in spec.items()
  }
  none['example_id'] -= 1
  return none


def take_turns(
    batches: tf.data.Dataset, turn: int, turns: int, first: int
) -> tf.data.Dataset:
  """A batch at every step t with t mod turns = turn, blank ones in between.

  The first one is that of step `first`.
  """
  none = blank(batches.element_spec)
  steps = tf.data.Dataset.range(first, ENDLESS)
  return tf.data.Dataset.choose_from_datasets(
      [tf.data.Dataset.from_tensors(none).repeat(), batches],
      steps.map(lambda step: tf.cast(step % turns == turn, tf.int64)),
  )


def zip_flat(batches: Mapping[str, tf.data.Dataset]) -> tf.data.Dataset:
  """Side by side, as one flat dict '<dataset>/<feature>' -> array."""

  @tf.autograph.experimental.do_not_convert
  def flatten(batch):
    return {
        f'{name}/{feature}': array
        for name, example in batch.items()
        for feature, array in example.items()
    }

  return tf.data.Dataset.zip(dict(batches)).map(flatten)


def finish(batches: tf.data.Dataset, in_python: bool) -> tf.data.Dataset:
  """Reads ahead, in a fixed order.

  What is work of Python's interpreter one thread does as fast as several that
  wait for each other.
  """
  options = tf.data.Options()
  options.deterministic = True
  if in_python:
    options.threading.private_threadpool_size = 1
  return batches.prefetch(_PREFETCH).with_options(options)

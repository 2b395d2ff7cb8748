# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How streams of examples are joined, taken in turns and batched.

Everything here is a pure function of seed and place, so that a restored
iterator goes on exactly where the saved one stood.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import seqio
import tensorflow as tf

_ENDLESS = np.iinfo(np.int64).max
_PREFETCH = 2  # batches read ahead of the one in use


def sample(
    streams: Sequence[tf.data.Dataset],
    weights: Sequence[float],
    seed: int,
    shard: seqio.ShardInfo,
) -> tf.data.Dataset:
  """Takes each example from a stream drawn in proportion to the weights."""
  edges = tf.constant(np.cumsum(weights)[:-1] / sum(weights), tf.float32)

  @tf.autograph.experimental.do_not_convert
  def draw(place):
    u = tf.random.stateless_uniform([], seed=[seed, place])
    return tf.searchsorted(edges, u[None], side='right', out_type=tf.int64)[0]

  places = tf.data.Dataset.range(shard.index, _ENDLESS, shard.num_shards)
  return tf.data.Dataset.choose_from_datasets(streams, places.map(draw))


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


def take_turns(
    batches: tf.data.Dataset, turn: int, turns: int
) -> tf.data.Dataset:
  """A batch at every step t with t mod turns = turn, blank ones in between.

  A blank batch has loss weights and masks of 0, and ids of -1.
  """
  blank = {
      key: tf.zeros(spec.shape, spec.dtype)
      for key, spec in batches.element_spec.items()
  }
  blank['example_id'] -= 1
  steps = tf.data.Dataset.range(_ENDLESS)
  return tf.data.Dataset.choose_from_datasets(
      [tf.data.Dataset.from_tensors(blank).repeat(), batches],
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


def finish(batches: tf.data.Dataset) -> tf.data.Dataset:
  """Reads ahead, in a fixed order, with small checkpoints."""
  options = tf.data.Options()
  options.deterministic = True
  # Checkpoints hold the places of the streams, not the decoded media that wait
  # in buffers: a few kB instead of GB.
  options.experimental_symbolic_checkpoint = True
  return batches.prefetch(_PREFETCH).with_options(options)

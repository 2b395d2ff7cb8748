# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The training data as an iterator whose place is one number."""

from collections.abc import Callable, Iterator, Mapping
import json
import os
from typing import Any

from clu.data import dataset_iterator
from etils import epath
import numpy as np
import tensorflow as tf

from flamingo_jax.data import pipeline


class Batches(dataset_iterator.DatasetIterator):
  """One host's batches; its state is how many of them have been read.

  That number means the same on any number of hosts.
  """

  def __init__(
      self,
      start: Callable[[int], tf.data.Dataset],
      unreadable: Callable[[], Mapping[str, int]],
  ):
    """Reads nothing yet.

    `start` gives the batches after so many; `unreadable` counts documents that
    could not be read.
    """
    self._start = start
    self.unreadable = unreadable
    self._all = start(0)
    self.reset()

  def __next__(self) -> dict[str, np.ndarray]:
    """The next batch."""
    if self._iterator is None:
      left = self._start(self._read) if self._read else self._all
      self._iterator = left.as_numpy_iterator()
    batch = next(self._iterator)
    self._read += 1
    return batch

  def reset(self) -> None:
    """Goes back to the first batch."""
    self._go_to(0)

  @property
  def element_spec(self) -> dict[str, dataset_iterator.ArraySpec]:
    """Shapes and dtypes of a batch."""
    return {
        key: dataset_iterator.ArraySpec(x.dtype.as_numpy_dtype, tuple(x.shape))
        for key, x in self._all.element_spec.items()
    }

  def save(self, filename: os.PathLike) -> None:
    """Writes the number of batches that have been read."""
    epath.Path(filename).write_text(json.dumps({'batches': self._read}))

  def restore(self, filename: os.PathLike) -> None:
    """Goes to the batch after those that had been read.

    Raises:
      ValueError: the file does not say which.
    """
    batches = json.loads(epath.Path(filename).read_text())['batches']
    if type(batches) is not int or batches < 0:
      raise ValueError(f'{batches!r} is not a number of batches')
    self._go_to(batches)

  def _go_to(self, batch: int) -> None:
    self._read = batch
    self._iterator: Iterator[dict[str, np.ndarray]] | None = None


def get_batches(
    cfg: pipeline.DatasetConfig,
    shard_id: int,
    num_shards: int,
    feature_converter_cls: Callable[..., Any] | None = None,
) -> Batches:
  """`pipeline.get_dataset` as an iterator that can be saved.

  The signature is that of t5x's `get_dataset`; no converter is needed, as tasks
  yield what the model reads.
  """
  del feature_converter_cls
  return Batches(
      lambda first: pipeline.get_dataset(cfg, shard_id, num_shards, first),
      lambda: pipeline.unreadable_counts(cfg.mixture_or_task_name),
  )

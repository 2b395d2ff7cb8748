# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint that answers and scores whole datasets, on all devices."""

from collections.abc import Callable, Iterator, Mapping
import functools
import os
from typing import Any

import jax
import numpy as np
import tensorflow as tf

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import inference
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.model_json import check_model_json
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import TrainState, abstract_params
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel
from flamingo_jax.typing import Array, Tree

_PADDING = -1  # index of rows that only fill a batch


def check_checkpoint(model: FlamingoModel, path: Any) -> tuple[str, int]:
  """The folder and the step of the checkpoint to restore; reads no weights.

  Raises:
    UserError: there is none, or it is of another architecture or vocabulary.
  """
  if not path or not isinstance(path, (str, os.PathLike)):
    raise UserError(
        f'RestoreCheckpointConfig.path is {path!r}: give the MODEL_DIR of a '
        'training run'
    )
  model_dir, step = checkpoint.find_checkpoint(path)
  check_model_json(model_dir, model.config, model.vocabulary)
  return os.fspath(model_dir), step


def restore(
    model: FlamingoModel,
    partitioner: Partitioner,
    path: str | os.PathLike,
    step: int,
) -> tuple[Tree, Tree]:
  """Parameters and frozen parameters, where the partitioner puts them.

  Args:
    model: whose parameters they are.
    partitioner: splits them.
    path: MODEL_DIR of a training run.
    step: of a checkpoint there.

  Raises:
    UserError: another model's checkpoint.
  """
  params, frozen_params = abstract_params(model, partitioner)
  abstract = TrainState(step=None, params=params, opt_state=None)
  state, _ = checkpoint.restore_step(path, step, abstract, None)
  return state.params, checkpoint.restore_frozen(path, frozen_params)


class Runner:
  """Two functions of a model's parameters, each compiled once.

  Attributes:
    params: parameters and frozen parameters; those of another step of the run
      may take their place.
  """

  def __init__(
      self,
      model: FlamingoModel,
      partitioner: Partitioner,
      batch_size: int,
      params: tuple[Tree, Tree] | None = None,
  ):
    """Compiles nothing yet.

    Args:
      model: whose parameters they are.
      partitioner: split them, and splits batches.
      batch_size: examples per batch over all hosts.
      params: None: there will be some before there is something to answer.

    Raises:
      UserError: the devices don't divide the batch.
    """
    self.batch_size = batch_size
    self.params = params
    self._partitioner = partitioner
    self._layout = partitioner.get_data_layout(batch_size)

    def predict(params, frozen_params, batch):
      decoded = inference.predict(
          model.module, merge_params(params, frozen_params), batch,
          stop=model.vocabulary.eoc_id,
      )
      return decoded.tokens, decoded.log_probs

    def score(params, frozen_params, batch):
      return inference.score(
          model.module, merge_params(params, frozen_params), batch
      )

    # Every host gets all results, so that the first can write them.
    compiled = functools.partial(
        jax.jit, out_shardings=partitioner.replicated
    )
    self._predict, self._score = compiled(predict), compiled(score)

  def predict(self, dataset: tf.data.Dataset) -> list[tuple[int, np.ndarray]]:
    """(index, tokens[n]) of each (index, example), as seqio asks for it."""
    indices, (tokens, _) = self._run(self._predict, dataset)
    return list(zip(indices, tokens))

  def predict_with_aux(
      self, dataset: tf.data.Dataset
  ) -> tuple[list[tuple[int, np.ndarray]], dict[str, list[float]]]:
    """`predict`, and the log-probabilities of the answers as 'scores'."""
    indices, (tokens, log_probs) = self._run(self._predict, dataset)
    return list(zip(indices, tokens)), {'scores': log_probs.tolist()}

  def score(self, dataset: tf.data.Dataset) -> list[tuple[int, float]]:
    """(index, log-likelihood) of each (index, example)."""
    indices, scores = self._run(self._score, dataset)
    return list(zip(indices, scores.tolist()))

  def _run(
      self,
      function: Callable[[Tree, Tree, Tree], Any],
      dataset: tf.data.Dataset,
  ) -> tuple[list[int], Any]:
    """Indices, rising, and stacked results."""
    indices, results = [], []
    for index, batch in self._batches(dataset):
      with self._partitioner.rules_in_use():
        results.append(function(*self.params, batch))
      indices.append(index)
    indices = np.concatenate([np.asarray(index) for index in indices])
    # Batches of several hosts are not in order.
    order = np.argsort(indices, kind='stable')[np.sum(indices == _PADDING) :]
    stack = lambda *parts: np.concatenate([np.asarray(x) for x in parts])[order]
    return indices[order].tolist(), jax.tree.map(stack, *results)

  def _batches(
      self, dataset: tf.data.Dataset
  ) -> Iterator[tuple[Array, Mapping[str, Array]]]:
    """Global arrays of a fixed size; the last batch is filled up."""
    missing = -len(dataset) % self.batch_size
    padding = dataset.take(1).map(
        lambda index, example: (tf.constant(_PADDING, tf.int64), example)
    )
    if missing:
      dataset = dataset.concatenate(padding.cache().repeat(missing))
    layout = self._layout
    rows = layout.batch_size // layout.num_shards
    shards = dataset.shard(layout.num_shards, layout.shard_id)
    whole = jax.jit(lambda x: x, out_shardings=self._partitioner.replicated)
    for index, batch in shards.batch(rows).prefetch(1).as_numpy_iterator():
      batch = self._partitioner.put_batch({'index': index} | batch)
      yield whole(batch.pop('index')), batch

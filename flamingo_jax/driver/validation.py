# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses on data that is not trained on."""

from collections.abc import Mapping
import math
from typing import Any

import numpy as np

from flamingo_jax.data import pipeline
from flamingo_jax.training.train_step import Trainer
from flamingo_jax.typing import Tree


class Evaluator:
  """The mean loss of each evaluation dataset, on the same batches each time."""

  def __init__(self, trainer: Trainer, datasets: Mapping[str, Any]):
    """Nothing is read yet.

    Args:
      trainer: has the compiled step.
      datasets: {name: finite tf.data.Dataset of un-prefixed batches}.
    """
    self._trainer = trainer
    self._put = trainer.partitioner.put_batch
    self._datasets = datasets

  def evaluate(
      self, step: int, params: Tree, frozen_params: Tree
  ) -> dict[str, float]:
    """eval/loss/<dataset>, in nats per target token or pair of a contrastive
    loss, and of likelihoods eval/perplexity/<dataset>."""
    del step  # the batches are the same at each
    result = {}
    for name, dataset in self._datasets.items():
      with pipeline.reading_errors():
        parts = [
            self._trainer.eval_step(params, frozen_params, self._put(batch))
            for batch in dataset.as_numpy_iterator()
        ]
      loss, weight = np.sum(np.asarray(parts, np.float64), axis=0)
      result[f'eval/loss/{name}'] = float(loss / weight)
      if self._trainer.model.likelihood:
        result[f'eval/perplexity/{name}'] = math.exp(min(loss / weight, 700.0))
    return result

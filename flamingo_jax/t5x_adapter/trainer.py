# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""t5x's Trainer with Flamingo's gradient: one per dataset (§2.4)."""

from collections.abc import Mapping
import functools
from typing import Any

from t5x import trainer

from flamingo_jax.t5x_adapter.model import step_metrics
from flamingo_jax.training.train_step import gradients_and_metrics
from flamingo_jax.typing import Array


class Trainer(trainer.Trainer):
  """Only the train step differs; it is that of the built-in driver."""

  def __init__(
      self,
      *,
      loss_weights: Mapping[str, float],
      num_microbatches: int | None = None,
      **arguments: Any,
  ):
    """Nothing is compiled yet.

    Args:
      loss_weights: the paper's lambda of each dataset.
      num_microbatches: parts of each dataset's batch; None is 1.
      **arguments: those of t5x's class.
    """
    super().__init__(num_microbatches=num_microbatches, **arguments)
    self._loss_weights = dict(loss_weights)

  @functools.cached_property
  def _partitioned_train_step(self) -> trainer.PartitionedTrainCallable:
    def train_step(train_state: Any, batch: Mapping[str, Array]):
      with self._partitioner.rules_in_use():
        grads, metrics = gradients_and_metrics(
            self._model,
            train_state.params,
            train_state.flax_mutables.get('frozen_params', {}),
            batch,
            self._loss_weights,
            self._num_microbatches,
        )
      return trainer.apply_grads(
          train_state,
          grads,
          step_metrics(metrics, self._loss_weights),
          # Update t, from 1, uses learning_rate(t): see make_optimizer.
          self._learning_rate_fn(train_state.step + 1),
          self._weight_metrics_computer,
          {'flax_mutables': train_state.flax_mutables},
      )

    return self._partitioner.partition(
        train_step,
        in_axis_resources=(
            self._train_state_axes, self._partitioner.data_partition_spec
        ),
        out_axis_resources=(self._train_state_axes, None),
        donate_argnums=(0,),
    )

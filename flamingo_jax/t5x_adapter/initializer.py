# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How a new run of t5x begins: as one of the built-in driver does."""

from collections.abc import Callable, Mapping
from typing import Any

from t5x import train_state, utils

from flamingo_jax.run_dir import pretrained
from flamingo_jax.t5x_adapter.partitioning import Partitioner
from flamingo_jax.t5x_adapter.train_state import to_t5x
from flamingo_jax.typing import Array


class TrainStateInitializer(utils.TrainStateInitializer):
  """Random weights, and towers from one or two pretrained sources."""

  def __init__(
      self,
      optimizer_def: Any,
      init_fn: Callable[..., Any],
      input_shapes: Mapping[str, Any],
      partitioner: Partitioner,
      input_types: Mapping[str, Any] | None = None,
      vision_encoder: str = '',
      language_model: str = '',
      weights: str = '',
      model_dir: str = '',
  ):
    """Reads nothing yet.

    Args:
      optimizer_def: None to make a state without an optimizer.
      init_fn: the method of a model, as t5x passes it.
      input_shapes: of a batch.
      partitioner: says where every leaf goes.
      input_types: of a batch.
      vision_encoder: as for `pretrained.TrainStateInitializer`.
      language_model: likewise.
      weights: likewise.
      model_dir: likewise.
    """
    super().__init__(
        optimizer_def, init_fn, input_shapes, partitioner, input_types
    )
    self._initializer = pretrained.TrainStateInitializer(
        init_fn.__self__, partitioner, vision_encoder, language_model,
        weights, model_dir,
    )

  def from_scratch(self, init_rng: Array) -> train_state.TrainState:
    """The state of step 0."""
    state, frozen_params = self._initializer.from_scratch(init_rng)
    return to_t5x(self.global_train_state_shape, state, frozen_params)

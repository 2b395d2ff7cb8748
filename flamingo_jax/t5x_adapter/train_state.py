# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""t5x's train state from, and to, that of the built-in driver."""

import flax.core
from flax import serialization
import jax
from t5x import train_state as t5x_train_state

from flamingo_jax.training.train_step import TrainState
from flamingo_jax.typing import Tree


def from_t5x(train_state: t5x_train_state.TrainState) -> tuple[TrainState, Tree]:
  """(state, frozen_params) with dicts where t5x has FrozenDicts.

  The state of an evaluation, which has no optimizer, gets opt_state None.
  """
  training = isinstance(train_state, t5x_train_state.FlaxOptimTrainState)
  state = TrainState(
      step=train_state.step,
      params=_thaw(train_state.params),
      opt_state=_thaw(train_state.param_states) if training else None,
  )
  return state, _thaw(train_state.flax_mutables.get('frozen_params', {}))


def to_t5x(
    like: t5x_train_state.TrainState, state: TrainState, frozen_params: Tree
) -> t5x_train_state.TrainState:
  """`state` and `frozen_params` in the structure of `like`."""
  optimizer = {'step': state.step}
  if state.opt_state is not None:
    optimizer['param_states'] = serialization.to_state_dict(state.opt_state)
  parts = {'target': state.params, 'state': optimizer}
  if frozen_params:
    parts['flax_mutables'] = {'frozen_params': frozen_params}
  return like.restore_state(parts)


def _thaw(tree: Tree) -> Tree:
  is_frozen = lambda x: isinstance(x, flax.core.FrozenDict)
  return jax.tree.map(
      lambda x: flax.core.unfreeze(x) if is_frozen(x) else x,
      tree,
      is_leaf=is_frozen,
  )

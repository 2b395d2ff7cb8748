# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Freezing, donation, and a step in bfloat16."""

import dataclasses

import chex
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.optimizer import make_optimizer
from flamingo_jax.training.trainable import (
    is_trainable,
    merge_params,
    split_params,
)
from flamingo_jax.training.trained_model import FlamingoModel
from tests.training.conftest import train


def test_everything_but_the_two_towers_is_trained(start):
  params, frozen_params = start
  names = lambda tree: {
      '/'.join(path[:2] if path[0] == 'decoder' else path[:1])
      for path in traverse_util.flatten_dict(tree)
  }
  assert names(params) == {
      'resampler', 'decoder/new_token_embedding', 'decoder/media_projection',
      'decoder/groups', 'decoder/tail',
  }
  assert names(frozen_params) == {
      'vision_encoder', 'decoder/token_embedder', 'decoder/final_norm',
      'decoder/groups', 'decoder/tail',
  }
  assert not is_trainable(('decoder', 'groups', 'lm', 'attn', 'query'))
  assert is_trainable(('decoder', 'tail', 'xattn', 'attn_gate'))
  chex.assert_trees_all_equal(
      split_params(merge_params(params, frozen_params)), start
  )


def test_frozen_leaves_stay_and_the_optimizer_has_none(start, alone):
  losses, state, frozen_params = alone.losses, alone.state, alone.frozen_params
  chex.assert_trees_all_equal(jax.device_get(frozen_params), start[1])
  trainable = {x.shape for x in jax.tree.leaves(start[0])} | {()}
  moments = jax.tree.leaves(state.opt_state)
  assert {x.shape for x in moments} <= trainable
  sizes = sum(x.size for x in jax.tree.leaves(start[0]))
  assert sum(x.size for x in moments if x.size > 1) <= 2 * sizes
  changed = jax.tree.map(
      lambda a, b: bool(np.any(a != b)), start[0], jax.device_get(state.params)
  )
  assert all(jax.tree.leaves(changed))
  assert losses[-1] < losses[0]
  assert state.step == 3


def test_the_state_is_donated(alone):
  assert all(x.is_deleted() for x in jax.tree.leaves(alone.first.params))
  assert not any(x.is_deleted() for x in jax.tree.leaves(alone.frozen_params))


def test_in_bfloat16_a_step_is_that_of_float32_but_for_rounding(
    config, one_device, start, alone
):
  model = FlamingoModel(
      dataclasses.replace(config, dtype='bfloat16', frozen_dtype='bfloat16'),
      default_vocabulary(), make_optimizer(lambda step: 1e-3),
  )
  params, frozen_params = start
  frozen_params = jax.tree.map(lambda x: x.astype(jnp.bfloat16), frozen_params)
  trained = train(model, one_device, (params, frozen_params))
  chex.assert_trees_all_equal(
      jax.device_get(trained.frozen_params), frozen_params
  )
  # What is trained, and its moments, lose none of a small update.
  floats = jax.tree.leaves((trained.state.params, trained.state.opt_state))
  assert {x.dtype for x in floats if x.ndim} == {np.dtype('float32')}
  np.testing.assert_allclose(trained.losses, alone.losses, rtol=5e-3)
  assert trained.losses != alone.losses
  assert trained.losses[-1] < trained.losses[0]
  paths = jax.tree_util.tree_leaves_with_path(alone.gradient)
  largest = max(np.abs(x).max() for _, x in paths)
  for (path, expected), found in zip(paths, jax.tree.leaves(trained.gradient)):
    error, norm = np.linalg.norm(found - expected), np.linalg.norm(expected)
    # A gate's is one sum of everything, which may cancel to nearly 0.
    assert error < 0.1 * (norm if expected.size > 1 else largest), path

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Freezing and donation."""

import chex
from flax import traverse_util
import jax
import numpy as np

from flamingo_jax.training.train_step import Trainer, init_state
from flamingo_jax.training.trainable import (
    is_trainable,
    merge_params,
    split_params,
)
from tests.training.conftest import LAMBDA, make_batch


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
  _, losses, _, state, frozen_params = alone
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
  assert losses[-2] < losses[0]  # of m3w
  assert state.step == 3


def test_the_state_is_donated(model, one_device, start):
  state, frozen_params = init_state(
      model, one_device, jax.random.PRNGKey(0)
  )
  trainer = Trainer(model, one_device, lambda step: 1e-3, LAMBDA)
  batch = one_device.put_batch(make_batch(0))
  step = trainer.compile_train(state, frozen_params, batch)
  step(state, frozen_params, batch)
  assert all(x.is_deleted() for x in jax.tree.leaves(state.params))
  assert not any(x.is_deleted() for x in jax.tree.leaves(frozen_params))

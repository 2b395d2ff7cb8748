# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Freezing, donation, meshes."""

import chex
from flax import traverse_util
import jax
import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    Trainer,
    TrainState,
    abstract_state,
    init_state,
)
from flamingo_jax.training.trainable import (
    is_trainable,
    merge_params,
    split_params,
)
from tests.training.conftest import LAMBDA, make_batch


def train(model, partitioner, start, batches):
  """(losses per step, last state, frozen_params as they came out)."""
  abstract, abstract_frozen = abstract_state(model, partitioner)
  place = lambda x, like: jax.device_put(np.array(x), like.sharding)
  params = jax.tree.map(place, start[0], abstract.params)
  frozen_params = jax.tree.map(place, start[1], abstract_frozen)
  state = TrainState(
      step=place(np.int32(0), abstract.step),
      params=params,
      opt_state=jax.tree.map(
          place, model.optimizer.init(params), abstract.opt_state
      ),
  )
  trainer = Trainer(model, partitioner, lambda step: 1e-3, LAMBDA)
  losses, step = [], None
  for batch in batches:
    batch = partitioner.put_batch(batch)
    step = step or trainer.compile_train(state, frozen_params, batch)
    state, metrics = step(state, frozen_params, batch)
    losses.append(float(
        metrics['m3w/loss_sum'] / metrics['m3w/weight']
        + 0.2 * metrics['pairs/loss_sum'] / metrics['pairs/weight']
    ))
  return losses, state, frozen_params


@pytest.fixture(scope='module')
def alone(model, one_device, start):
  return train(model, one_device, start, [make_batch(i) for i in (0, 0, 0)])


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
  losses, state, frozen_params = alone
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
  assert losses[2] < losses[0]
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


@pytest.mark.parametrize('mesh_shape, rules', [
    ({'replica': 2, 'fsdp': 4}, 'data_parallel'),
    ({'fsdp': 8}, 'fsdp'),
    ({'fsdp': 8}, 'fsdp_trainable'),
    ({'fsdp': 4, 'model': 2}, 'tensor_parallel'),
    ({'replica': 2, 'fsdp': 2, 'model': 2}, 'sequence_parallel'),
    ({'fsdp': 4, 'model': 2}, 'fsdp_sequence_parallel'),
])
def test_every_mesh_gives_the_same_losses(
    model, start, alone, mesh_shape, rules
):
  partitioner = Partitioner(mesh_shape, rules)
  losses, state, _ = train(
      model, partitioner, start, [make_batch(0), make_batch(0), make_batch(0)]
  )
  np.testing.assert_allclose(losses, alone[0], rtol=1e-5)
  if rules != 'data_parallel':
    leaves = jax.tree.leaves(state.params)
    assert any(not x.sharding.is_fully_replicated for x in leaves)


def test_a_batch_that_the_devices_do_not_divide_is_refused():
  with pytest.raises(UserError, match='12 rows.*8 devices'):
    Partitioner().get_data_layout(12)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Flamingo small enough to compile in seconds, with open gates, and data."""

from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.optimizer import make_optimizer
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    Trainer,
    TrainState,
    abstract_state,
    init_state,
)
from flamingo_jax.training.trained_model import FlamingoModel
from tests import random_weights  # has the vision encoder

assert random_weights
LAMBDA = {'m3w': 1.0, 'pairs': 0.2}


def make_batch(seed, rows=8):
  """Two datasets of unequal shapes and lengths of text; pairs has k = 2."""
  rng = np.random.default_rng(seed)
  batch = {}
  for name, k, length, media in (('m3w', 1, 10, 2), ('pairs', 2, 6, 1)):
    lead = (rows, k)
    real = rng.integers(1, length + 1, lead + (1,))
    example = {
        'tokens': rng.integers(0, 2048, lead + (length,), dtype=np.int32),
        'targets': rng.integers(0, 2049, lead + (length,), dtype=np.int32),
        'loss_weights': (np.arange(length) < real).astype(np.float32),
        'media_index': rng.integers(
            0, media + 1, lead + (length,), dtype=np.int32
        ),
        'media': rng.integers(
            0, 256, lead + (media, 1, 16, 16, 3), dtype=np.uint8
        ),
        'media_mask': np.ones(lead + (media, 1), bool),
        'example_id': rng.integers(0, 1000, lead, dtype=np.int32),
    }
    batch |= {f'{name}/{key}': x for key, x in example.items()}
  return batch


class Trained(NamedTuple):
  """A few steps on one batch of 'm3w': accumulate_test.py adds data sets up."""

  compiled: jax.stages.Compiled
  losses: list[float]  # of each step
  gradient: Any  # a tenth of the first step's, clipped
  first: TrainState  # that went into the first step
  state: TrainState
  frozen_params: Any  # as they came out


def train(model, partitioner, start):
  abstract, abstract_frozen = abstract_state(model, partitioner)
  place = lambda x, like: jax.device_put(np.array(x), like.sharding)
  params = jax.tree.map(place, start[0], abstract.params)
  frozen_params = jax.tree.map(place, start[1], abstract_frozen)
  state = TrainState(
      step=place(np.int32(0), abstract.step),
      params=params,
      opt_state=jax.tree.map(
          place, jax.jit(model.optimizer.init)(start[0]), abstract.opt_state
      ),
  )
  trainer = Trainer(model, partitioner, lambda step: 1e-3, {'m3w': 1.0})
  batch = partitioner.put_batch({
      key: x for key, x in make_batch(0).items() if key.startswith('m3w/')
  })
  compiled = trainer.compile_train(state, frozen_params, batch)
  first, losses, gradient = state, [], None
  for step in range(3):
    state, metrics = compiled(state, frozen_params, batch)
    if step == 0:  # Adam's first moment starts from 0
      gradient = jax.device_get(adam(state.opt_state).mu)
    losses.append(float(metrics['m3w/loss_sum'] / metrics['m3w/weight']))
  return Trained(compiled, losses, gradient, first, state, frozen_params)


def train_tower(model, partitioner, batch, loss_weights):
  """Three steps from scratch: (losses of each, state, metrics of the last)."""
  state, frozen_params = init_state(model, partitioner, jax.random.key(0))
  trainer = Trainer(model, partitioner, lambda step: 0.0, loss_weights)
  batch = partitioner.put_batch(batch)
  step = trainer.compile_train(state, frozen_params, batch)
  losses = []
  for _ in range(3):
    state, metrics = step(state, frozen_params, batch)
    losses.append([
        float(metrics[f'{name}/loss_sum'] / metrics[f'{name}/weight'])
        for name in loss_weights
    ])
  return losses, state, metrics


def adam(opt_state):
  is_adam = lambda x: isinstance(x, optax.ScaleByAdamState)
  return next(filter(is_adam, jax.tree.leaves(opt_state, is_leaf=is_adam)))


@pytest.fixture(scope='session')
def config():
  return models.variants.get('flamingo_small', {
      'vision': 'one_block',
      'image_size': 16,
      'resampler': models.ResamplerConfig(
          layers=1, width=16, heads=2, head_size=8, latents=4
      ),
      'decoder': models.DecoderConfig(
          vocab=2048, layers=3, width=16, heads=2, head_size=8, xattn_every=2
      ),
  })


@pytest.fixture(scope='session')
def model(config):
  return FlamingoModel(
      config, default_vocabulary(), make_optimizer(lambda step: 1e-3)
  )


@pytest.fixture(scope='session')
def one_device():
  """A mesh that leaves seven of the eight devices alone."""
  return Partitioner(devices=jax.devices()[:1])


@pytest.fixture(scope='session')
def start(model, one_device):
  """(params, frozen_params) with gates open, so every leaf has a gradient."""
  state, frozen_params = init_state(
      model, one_device, jax.random.PRNGKey(0)
  )
  params = jax.tree_util.tree_map_with_path(
      lambda path, x: x + 0.5 if 'gate' in path[-1].key else x, state.params
  )
  return jax.device_get((params, frozen_params))


@pytest.fixture(scope='session')
def alone(model, one_device, start):
  return train(model, one_device, start)

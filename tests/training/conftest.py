# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Flamingo small enough to compile in seconds, with open gates, and data."""

import jax
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.model import FlamingoModel
from flamingo_jax.training.optimizer import make_optimizer
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import init_state
from tests.t5x import two_tasks  # has the vision encoder

assert two_tasks
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


@pytest.fixture(scope='session', autouse=True)
def compilation_cache(tmp_path_factory):
  """Steps that several tests compile are compiled once, subprocesses included.

  Only this run of the tests sees the folder.
  """
  folder = str(tmp_path_factory.mktemp('compilation_cache'))
  jax.config.update('jax_compilation_cache_dir', folder)
  yield folder
  jax.config.update('jax_compilation_cache_dir', None)


@pytest.fixture(scope='session')
def config():
  return models.variants.get('flamingo_tiny', {
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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Four devices to compile for: of this CPU, and of a TPU that is not here."""

import importlib.util

import jax
from jax.sharding import Mesh
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.planning import interconnect, planned_run, topologies
from flamingo_jax.training.trained_model import FlamingoModel
from flamingo_jax.training.optimizer import make_optimizer
from tests import random_weights  # has the vision encoder

assert random_weights

NO_LIBTPU = 'libtpu is not installed (the [tpu] extra)'


@pytest.fixture(scope='session')
def slice_2x2():
  """A v5e of four chips."""
  if importlib.util.find_spec('libtpu') is None:
    pytest.skip(NO_LIBTPU)
  return topologies.get_topology('v5e:2x2')


@pytest.fixture(params=['cpu', 'tpu'])
def mesh(request):
  """2 x 2 devices."""
  if request.param == 'cpu':
    devices = jax.devices()[:4]
  else:
    devices = request.getfixturevalue('slice_2x2').devices
  return Mesh(np.array(devices).reshape(2, 2), ('fsdp', 'model'))


@pytest.fixture
def links():
  return interconnect.Interconnect(
      {'fsdp': 2, 'model': 2}, np.array([[0, 0], [0, 1], [1, 0], [1, 1]]),
      (2, 2), link_bandwidth=45e9, ring_from=16,
  )


@pytest.fixture(scope='session')
def small_run():
  """Wide enough for matrix products to be what a step costs."""
  config = models.variants.get('flamingo_small', {
      'vision': 'one_block',
      'image_size': 32,
      'decoder': models.DecoderConfig(
          vocab=2048, layers=3, width=128, heads=4, head_size=32, xattn_every=2
      ),
  })
  return planned_run.PlannedRun(
      model=planned_run.make_model(
          FlamingoModel, config, make_optimizer(lambda step: 1e-3)
      ),
      lengths={
          'a': {'tokens': 32, 'media': 2, 'frames': 1, 'image_size': 32},
          'b': {'tokens': 16, 'media': 1, 'frames': 2, 'image_size': 32},
      },
      batch_sizes={'a': 2, 'b': 4},
  )

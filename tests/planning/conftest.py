# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Four devices to compile for: of this CPU, and of a TPU that is not here."""

import importlib.util

import jax
from jax.sharding import Mesh
import numpy as np
import pytest

from flamingo_jax.planning import interconnect, topologies

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

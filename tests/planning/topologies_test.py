# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Names of slices, and what is said where there is none."""

import importlib.util

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.planning import topologies


def test_chip_and_shape_of_a_name():
  chip, shape = topologies.parse('v4:8x12x16')
  assert shape == (8, 12, 16)
  assert chip.hbm_gib == 30.75


@pytest.mark.parametrize('name', ['v9:4x4', 'v5e:4x4x4', 'v4', 'v5e:', '4x4'])
def test_unknown_topologies_are_refused_with_the_known_ones(name):
  with pytest.raises(UserError, match=r'v4:.*8x12x16.*v5p:.*v5e:.*v6e:'):
    topologies.parse(name)


def test_without_libtpu_the_remedy_is_named(monkeypatch):
  find = importlib.util.find_spec
  monkeypatch.setattr(
      importlib.util, 'find_spec',
      lambda name, *rest: None if name == 'libtpu' else find(name, *rest),
  )
  with pytest.raises(UserError, match=r'pip install .*\[tpu\]'):
    topologies.get_topology('v5e:2x2')


def test_a_slice_has_a_device_per_chip_and_places(slice_2x2):
  assert slice_2x2.chips == 4
  places = {tuple(d.coords[:2]) for d in slice_2x2.devices}
  assert places == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_shape_that_no_slice_has_is_one_sentence(slice_2x2):
  with pytest.raises(UserError, match='gives no topology .* a multiple of 2x2'):
    topologies.get_topology('v5e:3x5')


def test_slices_are_counted_from_one(slice_2x2):
  with pytest.raises(UserError, match='0 slices of v5e:2x2'):
    topologies.get_topology('v5e:2x2', slices=0)

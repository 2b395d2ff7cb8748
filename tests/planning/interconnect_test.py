# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Groups of chips to mesh axes, and to the links they can use."""

import numpy as np
import pytest

from flamingo_jax.planning import interconnect

LINK = 1e9
SENT = 1e9  # bytes, large enough for latency not to matter


@pytest.fixture
def torus():
  """16 x 4 chips; 'replica' and 'fsdp' share the long dimension."""
  places = np.stack(np.unravel_index(np.arange(64), (16, 4)), axis=-1)
  return interconnect.Interconnect(
      {'replica': 4, 'fsdp': 4, 'model': 4}, places, (16, 4), LINK, ring_from=16
  )


def along(torus, **axes):
  """The partitions along some mesh axes, from partition 0."""
  ids = np.arange(64).reshape(4, 4, 4)
  return ids[tuple(
      slice(None) if axis in axes else 0 for axis in torus.mesh_axes
  )].ravel().tolist()


@pytest.mark.parametrize('axes, bandwidth', [
    ({'replica', 'fsdp'}, 2),  # all of a dimension of 16: a ring, both ways
    ({'fsdp'}, 1),  # a quarter of it: a line, whose ends have one link
    ({'replica'}, 0.5),  # every fourth: the ring, shared with three others
    ({'model'}, 1),  # a dimension of 4, which is no ring here
    ({'fsdp', 'model'}, 2),  # two lines
])
def test_bandwidth_of_mesh_axes(torus, axes, bandwidth):
  group = along(torus, **dict.fromkeys(axes))
  assert torus.seconds(group, SENT) == pytest.approx(SENT / LINK / bandwidth)
  assert set(torus.axes(group).split('+')) == axes


def test_small_messages_cost_their_hops(torus):
  group = along(torus, model=None)
  assert torus.seconds(group, 1.0) == pytest.approx(
      4 * interconnect.HOP_SECONDS
  )


@pytest.mark.parametrize('pairs, messages', [
    # A shift along a line of 4: the last one's way back uses the other
    # direction of the links.
    ([[0, 1], [1, 2], [2, 3], [3, 0]], 1),
    ([[0, 2], [1, 3]], 2),  # both cross the link in the middle
    ([[0, 60]], 1),  # once around the ring of 16, not 15 links back
    ([[0, 0]], 0),
])
def test_a_permutation_takes_what_its_busiest_link_does(torus, pairs, messages):
  assert torus.permute_seconds(pairs, SENT) == pytest.approx(
      messages * SENT / LINK
  )


@pytest.mark.parametrize('kind, sent', [
    ('all-gather', 3), ('reduce-scatter', 0.75), ('all-reduce', 1.5),
    ('all-to-all', 0.75), ('collective-permute', 1),
])
def test_bytes_on_the_wire_per_byte_of_the_operand(kind, sent):
  assert interconnect.wire_bytes(kind, 1.0, 4) == sent
  assert interconnect.wire_bytes(kind, 1.0, 1) == 0

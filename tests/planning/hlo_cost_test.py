# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Costs of programs whose cost is known in closed form, on CPU and TPU."""

import math

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import pytest

from flamingo_jax import sharding
from flamingo_jax.planning import hlo_cost, interconnect, topologies

CHIP = topologies.CHIPS['v5e']


def cost_of(mesh, links, function, *arguments, out=()):
  """Compiles for arguments given as (shape, spec) of `dtype_of` the mesh."""
  sharded = lambda spec: NamedSharding(mesh, PartitionSpec(*spec))
  shapes = [
      jax.ShapeDtypeStruct(shape, dtype_of(mesh), sharding=sharded(spec))
      for shape, spec in arguments
  ]
  compiled = jax.jit(function, out_shardings=sharded(out)).lower(*shapes)
  return hlo_cost.analyze(compiled.compile().as_text(), CHIP, links)


def dtype_of(mesh):
  """What the matrix units take: TPUs convert float32, CPUs bfloat16."""
  return jnp.bfloat16 if is_tpu(mesh) else jnp.float32


def itemsize(mesh):
  return jnp.dtype(dtype_of(mesh)).itemsize


def is_tpu(mesh):
  return mesh.devices.flat[0].platform == 'tpu'


def about(value):
  return pytest.approx(value, rel=0.02)


def test_matmul(mesh, links):
  cost = cost_of(
      mesh, links, jnp.dot, ((1024, 2048), ()), ((2048, 512), ()),
  )
  assert cost.flops == about(2 * 1024 * 2048 * 512)
  elements = 1024 * 2048 + 2048 * 512 + 1024 * 512
  assert cost.bytes == about(itemsize(mesh) * elements)
  assert cost.matmul_seconds >= cost.flops / CHIP.peak_flops
  assert cost.collectives == ()


@pytest.mark.parametrize('trips', [(7,), (3, 5)])
def test_scans_count_every_trip_and_each_weight_once(mesh, links, trips):
  def scanned(x, weights):
    if weights.ndim == 2:
      return x @ weights
    body = lambda x, w: (scanned(x, w), None)
    return jax.lax.scan(body, x, weights)[0]

  size, count = 512, math.prod(trips)
  cost = cost_of(
      mesh, links, scanned, ((size, size), ()), ((*trips, size, size), ()),
  )
  assert cost.flops == about(count * 2 * size**3)
  # Weights are read once; the carry may stay on the chip (TPU) or be read and
  # written by each trip (CPU).
  array = itemsize(mesh) * size**2
  assert cost.bytes >= 0.98 * (count + 2) * array
  if is_tpu(mesh) and len(trips) == 1:
    assert cost.bytes == about((count + 2) * array)


def test_all_reduce_of_a_product_split_over_its_sum(mesh, links):
  cost = cost_of(
      mesh, links, jnp.dot, ((1024, 2048), (None, 'model')),
      ((2048, 512), ('model', None)),
  )
  assert cost.flops == about(2 * 1024 * 1024 * 512)
  (found,) = cost.collectives
  assert (found.kind, found.axes, found.times) == ('all-reduce', 'model', 1)
  # Around a ring of g = 2: 2 (g - 1) / g of the array.
  assert found.sent == about(itemsize(mesh) * 1024 * 512)
  # Two chips side by side have one link.
  assert found.seconds == about(found.sent / 45e9)


def test_two_slices_exchange_what_is_left_of_a_gradient_in_each(slice_2x2):
  assert slice_2x2.chips == 4
  topology = topologies.get_topology('v5e:2x2', slices=2)
  mesh = sharding.make_mesh({'replica': 2, 'fsdp': 4}, topology.devices)
  cost = cost_of(
      mesh, interconnect.make(topology, mesh), lambda x, y: x.T @ y,
      ((64, 2048), (('replica', 'fsdp'), None)),
      ((64, 1024), (('replica', 'fsdp'), None)), out=('fsdp',),
  )
  found = {
      c.axes: c for c in cost.collectives if c.kind != 'collective-permute'
  }
  assert {axes: c.kind for axes, c in found.items()} == {
      'fsdp': 'reduce-scatter', 'slices': 'all-reduce'
  }
  # A quarter of it in each chip, of which two slices send all once.
  sent = itemsize(mesh) * 2048 * 1024 / 4
  assert found['slices'].sent == about(sent)
  assert found['slices'].seconds == about(sent / 3.125e9)  # 25 Gbit/s a chip


def test_weights_gathered_in_a_scan_are_sent_once_per_trip(mesh, links):
  def scanned(x, weights):
    def body(x, w):
      whole = NamedSharding(mesh, PartitionSpec())
      return jax.nn.relu(x @ jax.lax.with_sharding_constraint(w, whole)), None

    return jax.lax.scan(body, x, weights)[0]

  cost = cost_of(
      mesh, links, scanned, ((4096, 512), ('fsdp', None)),
      ((7, 512, 512), (None, 'fsdp', None)), out=('fsdp',),
  )
  assert cost.flops == about(7 * 2 * 2048 * 512 * 512)
  gathered = [c for c in cost.collectives if c.kind == 'all-gather']
  assert {c.axes for c in gathered} == {'fsdp'}
  half = itemsize(mesh) * 512 * 512 / 2
  assert sum(c.sent for c in gathered) == about(7 * half)


@pytest.mark.parametrize('stride, taps', [(1, 3 * 16 - 2), (2, 3 * 8 - 1)])
def test_convolution_does_not_count_padding(mesh, links, stride, taps):
  def conv(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), 'SAME', feature_group_count=4,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )

  cost = cost_of(
      mesh, links, conv, ((8, 16, 16, 512), ()),
      ((3, 3, 128, 256), ()),
  )
  assert cost.flops == about(2 * 8 * taps**2 * 128 * 256)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is computed on one CPU in another way than on a mesh: the same."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.models.layer_stack import per_turn
from flamingo_jax.models.layers import Einsum
from flamingo_jax.sharding import is_for_one_cpu, make_mesh


@pytest.fixture
def meshes():
  """Of all devices, and of one."""
  return tuple(
      make_mesh(devices=devices).abstract_mesh
      for devices in (jax.devices(), jax.devices()[:1])
  )


@pytest.mark.parametrize('equation, x, kernel, in_axes', [
    ('BLD,DF->BLF', (2, 3, 4), (4, 5), 1),
    ('...LD,DF->...LF', (2, 2, 3, 4), (4, 5), 1),
    ('...LD,DF->...LF', (3, 4), (4, 5), 1),
    ('BHLK,HKD->BLD', (2, 3, 5, 4), (3, 4, 6), 2),
    ('NPD,PR->NRD', (2, 4, 3), (4, 5), 1),  # not behind the rows of x
])
def test_a_product_of_matrices_is_the_einsum(
    meshes, equation, x, kernel, in_axes
):
  rng = np.random.default_rng(0)
  x, kernel = (
      rng.normal(size=shape).astype(np.float32) for shape in (x, kernel)
  )
  layer = Einsum(equation, kernel.shape, (None,) * kernel.ndim, in_axes)

  def summed(x, kernel, product):
    return jnp.sum(jnp.sin(product(x, kernel)))

  def gradients(product):
    loss = lambda x, kernel: summed(x, kernel, product)
    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(x, kernel)

  expected = gradients(lambda x, kernel: jnp.einsum(equation, x, kernel))
  for mesh in meshes:
    with jax.sharding.use_abstract_mesh(mesh):
      found = gradients(
          lambda x, kernel: layer.apply({'params': {'kernel': kernel}}, x)
      )
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-5)


def test_one_cpu_alone_trains_wide_layers_without_a_loop(meshes):
  for mesh, layers in zip(meshes, (1, 6)):
    with jax.sharding.use_abstract_mesh(mesh):
      assert per_turn(6, 512) == layers
      assert per_turn(6, 511) == per_turn(6, 512, cache=object()) == 1


def test_a_device_that_computes_apart_is_as_one_alone():
  mesh = make_mesh()
  told = []
  whole = jax.sharding.PartitionSpec()

  def tell(x):
    told.append(is_for_one_cpu())
    return x

  jax.jit(jax.shard_map(
      tell, mesh=mesh, in_specs=whole, out_specs=whole, check_vma=False
  ))(1.0)
  with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
    tell(1.0)
  assert told == [True, False]

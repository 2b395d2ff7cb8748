# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""NFNet: its numbers are the paper's; its counts, grid and propagation."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.models import nfnet
from tests.models import nfnet_of_paper

# Every kind of block: a change of width, a stride, and blocks that are scanned.
nfnet.NFNETS['every_block'] = nfnet.NFNetConfig(
    depths=(2, 3), widths=(16, 32), strides=(1, 2), stem=(4, 6, 8, 8),
    group_width=4,
)


def encoder_count(variant):
  x = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  module = models.NFNet(nfnet.NFNETS[variant])
  shapes = models.init_shapes(module.init, jax.random.key(0), x)
  return sum(x.size for x in jax.tree.leaves(nn.unbox(shapes)))


@pytest.mark.parametrize(
    'variant, millions',
    # With the 1000-way head, as published or counted from the official code.
    [('F0', 71.49), ('F1', 132.63), ('F2', 193.78), ('F3', 254.92),
     ('F4', 316.07), ('F5', 377.21), ('F6', 438.36), ('F7', 499.50)],
)
def test_counts_are_those_of_the_official_code(variant, millions):
  head = 3072 * 1000 + 1000
  count = (encoder_count(variant) + head) / 1e6
  assert round(count, 2) == pytest.approx(millions, abs=0.011)


def test_stride_is_32_and_features_3072():
  spec = lambda pixels: jax.ShapeDtypeStruct((1, pixels, pixels, 3), jnp.float32)
  model = models.NFNet(nfnet.NFNETS['F6'])
  variables = nn.unbox(models.init_shapes(model.init, jax.random.key(0), spec(64)))
  for pixels, side in ((288, 9), (320, 10), (480, 15)):
    grid = jax.eval_shape(model.apply, variables, spec(pixels))
    assert grid.shape == (1, side, side, 3072)


def test_the_grid_is_the_one_of_the_paper():
  module = models.NFNet(nfnet.NFNETS['every_block'])
  rng = np.random.default_rng(0)
  # 5 x 5 places, then 3 x 3: windows and padding reach over the edge.
  x = rng.normal(size=(2, 20, 20, 3)).astype(np.float32)

  def weights(path, shape):
    """Of no layer 0; the kernels of one nearly constant, as few are."""
    noise = rng.normal(size=shape.shape).astype(np.float32)
    name = '/'.join(key.key for key in path)
    if name.endswith(('gain', 'bias')):
      return 1 + 0.5 * noise
    return noise * (1e-4 if 'stage1_block0/conv2/kernel' in name else 1)

  shapes = models.init_shapes(module.init, jax.random.key(0), x)
  params = jax.tree_util.tree_map_with_path(weights, nn.unbox(shapes)['params'])
  found = jax.jit(module.apply)({'params': params}, x)
  expected = nfnet_of_paper.grid(params, x, depths=(2, 3), strides=(1, 2))
  assert found.shape == expected.shape == (2, 3, 3, 64)
  assert expected.std() > 0.5
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""NFNet: parameter counts, the grid, and signal propagation."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.models.nfnet import (
    NFBlock,
    StandardizedConv,
    deviation,
    scan_blocks,
)


def encoder_count(variant):
  x = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  shapes = jax.eval_shape(models.NFNet(variant).init, jax.random.key(0), x)
  return sum(x.size for x in jax.tree.leaves(nn.unbox(shapes)))


@pytest.mark.parametrize(
    'variant, millions',
    # With the 1000-way head, as published or counted from the official code.
    [('F0', 71.49), ('F1', 132.63), ('F2', 193.78), ('F3', 254.92),
     ('F4', 316.07), ('F5', 377.21), ('F6', 438.36)],
)
def test_counts_are_those_of_the_official_code(variant, millions):
  head = 3072 * 1000 + 1000
  count = (encoder_count(variant) + head) / 1e6
  assert round(count, 2) == pytest.approx(millions, abs=0.011)


def test_f7_has_the_deepest_table_row():
  assert models.NFNETS['F7'].depths == (8, 16, 48, 24)
  assert encoder_count('F7') > encoder_count('F6')


@pytest.mark.parametrize('pixels, side', [(288, 9), (320, 10), (480, 15)])
def test_stride_is_32_and_features_3072(pixels, side):
  x = jax.ShapeDtypeStruct((1, pixels, pixels, 3), jnp.float32)
  model = models.NFNet('F6')
  variables = jax.eval_shape(model.init, jax.random.key(0), x)
  grid = jax.eval_shape(model.apply, nn.unbox(variables), x)
  assert grid.shape == (1, side, side, 3072)


def test_convolution_does_not_see_scale_or_mean_of_its_kernel():
  x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
  conv = StandardizedConv(6, 3)
  params = nn.unbox(conv.init(jax.random.key(1), x))['params']
  changed = params | {'kernel': 7 * params['kernel'] + 3}
  np.testing.assert_allclose(
      conv.apply({'params': params}, x),
      conv.apply({'params': changed}, x),
      atol=2e-4,
  )


def test_convolution_keeps_unit_variance():
  x = jax.random.normal(jax.random.key(0), (8, 16, 16, 64))
  conv = StandardizedConv(64, 1)
  y = conv.apply(nn.unbox(conv.init(jax.random.key(1), x)), x)
  assert 0.9 < float(jnp.std(y)) < 1.1


def test_block_is_identity_at_skip_gain_zero_and_not_otherwise():
  x = jax.random.normal(jax.random.key(0), (1, 4, 4, 32))
  block = NFBlock(channels=32, stride=1, groups=2)
  params = nn.unbox(block.init(jax.random.key(1), x, 1.0))['params']
  np.testing.assert_array_equal(block.apply({'params': params}, x, 1.0), x)
  opened = params | {'skip_gain': jnp.ones(())}
  y = block.apply({'params': opened}, x, 1.0)
  assert float(jnp.abs(y - x).max()) > 0.01


def test_scanned_blocks_are_the_blocks_one_after_the_other():
  x = jax.random.normal(jax.random.key(0), (1, 4, 4, 32))
  block = NFBlock(channels=32, stride=1, groups=2)
  betas = jnp.array([0.9, 0.8, 0.7])

  class Scanned(nn.Module):
    @nn.compact
    def __call__(self, x):
      like = NFBlock(channels=32, stride=1, groups=2, name='blocks')
      return scan_blocks(like, x, betas)

  params = nn.unbox(Scanned().init(jax.random.key(1), x))['params']
  params['blocks']['skip_gain'] += 1.0
  scanned = Scanned().apply({'params': params}, x)
  for i, beta in enumerate(betas):
    one = jax.tree.map(lambda p: p[i], params['blocks'])
    x = block.apply({'params': one}, x, beta)
  np.testing.assert_allclose(scanned, x, rtol=1e-5, atol=1e-5)


def test_deviation_grows_by_alpha_squared_per_block():
  assert deviation(0) == 1
  assert deviation(5) == pytest.approx((1 + 5 * 0.2**2) ** 0.5)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Perceiver Resampler: shape, masks and time (Flamingo §2.1, B.1.2)."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.models import PerceiverResampler, ResamplerConfig
from flamingo_jax.models.resampler import interpolate_time

CONFIG = ResamplerConfig(layers=2, width=16, heads=2, head_size=8, latents=64)
MODEL = PerceiverResampler(CONFIG)


@pytest.fixture(scope='module')
def variables():
  x, mask = jnp.zeros((1, 8, 4, 12)), jnp.ones((1, 8), bool)
  return nn.unbox(MODEL.init(jax.random.key(0), x, mask))


@pytest.fixture(scope='module')
def resample(variables):
  return jax.jit(lambda x, mask: MODEL.apply(variables, x, mask))


def features(frames, positions, seed=0):
  return jax.random.normal(jax.random.key(seed), (2, frames, positions, 12))


def test_masked_frames_do_not_matter_at_all(resample):
  mask = jnp.array([[True] * 3 + [False] * 5] * 2)
  x = features(8, 4)
  other = x.at[:, 3:].set(99.0)
  np.testing.assert_array_equal(resample(x, mask), resample(other, mask))
  np.testing.assert_allclose(
      resample(x, mask), resample(x[:, :3], mask[:, :3]), atol=1e-5
  )


def test_visible_frames_and_their_order_matter(resample):
  mask = jnp.ones((2, 8), bool)
  x = features(8, 4)
  y = resample(x, mask)
  assert float(jnp.abs(y - resample(x.at[:, 7].add(1.0), mask)).max()) > 1e-3
  assert float(jnp.abs(y - resample(x[:, ::-1], mask)).max()) > 1e-4


def test_positions_within_a_frame_have_no_encoding(resample):
  x, mask = features(2, 6), jnp.ones((2, 2), bool)
  np.testing.assert_allclose(
      resample(x, mask), resample(x[:, :, ::-1], mask), atol=1e-5
  )


def test_latents_join_keys_and_values(variables, resample):
  # With every frame masked, attention still has the latents to look at.
  x, mask = features(1, 4), jnp.zeros((2, 1), bool)
  layers = variables['params']['layers']
  scaled = layers | {'value': jax.tree.map(lambda v: 3 * v, layers['value'])}
  other = {'params': variables['params'] | {'layers': scaled}}
  change = resample(x, mask) - MODEL.apply(other, x, mask)
  assert float(jnp.abs(change).max()) > 1e-3


def test_more_frames_than_trained_interpolate_linearly_between_the_ends():
  table = jnp.stack([jnp.arange(8.0), jnp.arange(8.0) ** 2], axis=1)
  for frames in (1, 8):
    np.testing.assert_array_equal(interpolate_time(table, frames), table[:frames])
  y = interpolate_time(table, 30)
  for found, column in zip(y.T, table.T):
    expected = np.interp(np.linspace(0, 7, 30), np.arange(8), column)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

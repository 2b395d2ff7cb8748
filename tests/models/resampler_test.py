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
  x, mask = np.zeros((1, 8, 4, 12), np.float32), np.ones((1, 8), bool)
  return nn.unbox(jax.jit(MODEL.init)(jax.random.key(0), x, mask))


@pytest.fixture(scope='module')
def resample(variables):
  run = jax.jit(MODEL.apply)
  return lambda x, mask, of=variables: np.asarray(run(of, x, mask))


def features(frames, positions):
  shape = 2, frames, positions, 12
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_masked_frames_do_not_matter_at_all(resample):
  mask = np.array([[True] * 3 + [False] * 5] * 2)
  x = features(8, 4)
  other = x.copy()
  other[:, 3:] = 99.0
  np.testing.assert_array_equal(resample(x, mask), resample(other, mask))
  np.testing.assert_allclose(
      resample(x, mask), resample(x[:, :3], mask[:, :3]), atol=1e-5
  )


def test_visible_frames_and_their_order_matter(resample):
  mask = np.ones((2, 8), bool)
  x = features(8, 4)
  y, other = resample(x, mask), x.copy()
  other[:, 7] += 1.0
  assert np.abs(y - resample(other, mask)).max() > 1e-3
  assert np.abs(y - resample(x[:, ::-1], mask)).max() > 1e-4


def test_positions_within_a_frame_have_no_encoding(resample):
  x, mask = features(2, 6), np.ones((2, 2), bool)
  np.testing.assert_allclose(
      resample(x, mask), resample(x[:, :, ::-1], mask), atol=1e-5
  )


def test_latents_join_keys_and_values(variables, resample):
  # With every frame masked, attention still has the latents to look at.
  x, mask = features(1, 4), np.zeros((2, 1), bool)
  layers = variables['params']['layers']
  scaled = layers | {
      'value': jax.tree.map(lambda v: 3 * np.asarray(v), layers['value'])
  }
  other = {'params': variables['params'] | {'layers': scaled}}
  change = resample(x, mask) - resample(x, mask, other)
  assert np.abs(change).max() > 1e-3


def test_more_frames_than_trained_interpolate_linearly_between_the_ends():
  table = np.stack([np.arange(8.0), np.arange(8.0) ** 2], axis=1)
  table = table.astype(np.float32)
  interpolate = jax.jit(interpolate_time, static_argnums=1)
  for frames in (1, 8):
    np.testing.assert_array_equal(interpolate(table, frames), table[:frames])
  y = np.asarray(interpolate(table, 30))
  for found, column in zip(y.T, table.T):
    expected = np.interp(np.linspace(0, 7, 30), np.arange(8), column)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)

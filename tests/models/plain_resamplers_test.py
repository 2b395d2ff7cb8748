# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The MLP and the Transformer that the Perceiver Resampler is compared with."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.models.plain_resamplers import make_resampler
from flamingo_jax.models.resampler import ResamplerConfig


@pytest.fixture(scope='module', params=['perceiver', 'transformer', 'mlp'])
def resample(request):
  config = ResamplerConfig(
      layers=2, width=16, heads=2, head_size=8, latents=3, kind=request.param
  )
  model = make_resampler(config, 'float32')
  x, mask = jnp.zeros((2, 4, 9, 12)), jnp.ones((2, 4), bool)
  variables = nn.unbox(jax.jit(model.init)(jax.random.key(0), x, mask))
  return jax.jit(lambda x, mask: model.apply(variables, x, mask))


def test_frames_of_padding_do_not_matter_and_others_do(resample):
  x = np.random.default_rng(0).normal(size=(2, 4, 9, 12)).astype(np.float32)
  mask = np.array([[True] * 3 + [False]] * 2)
  y = resample(x, mask)
  assert y.shape == (2, 3, 16)
  x[:, 3] += 1
  np.testing.assert_allclose(resample(x, mask), y, atol=1e-6)
  # The order of frames tells, and each medium is by itself.
  z = resample(np.concatenate([x[:1], x[1:, [1, 0, 2, 3]]]), mask)
  np.testing.assert_allclose(z[0], y[0], atol=1e-6)
  assert np.abs(z[1] - y[1]).max() > 1e-4


def test_an_unknown_kind_is_one_sentence():
  with pytest.raises(UserError, match='perceiver, transformer, mlp'):
    make_resampler(ResamplerConfig(kind='qformer'), 'float32')

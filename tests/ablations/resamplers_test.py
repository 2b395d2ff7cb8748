# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The MLP and the Transformer that the Perceiver Resampler is compared with."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.ablations.resamplers import MLPResampler, TransformerResampler
from flamingo_jax.models.resampler import ResamplerConfig


@pytest.mark.parametrize('kind', [MLPResampler, TransformerResampler])
def test_frames_of_padding_do_not_matter_and_others_do(kind):
  model = kind(
      ResamplerConfig(layers=2, width=16, heads=2, head_size=8, latents=3)
  )
  x = np.random.default_rng(0).normal(size=(2, 4, 9, 12)).astype(np.float32)
  mask = np.array([[True] * 3 + [False]] * 2)
  variables = nn.unbox(jax.jit(model.init)(jax.random.key(0), x, mask))
  resample = jax.jit(lambda x: model.apply(variables, x, jnp.array(mask)))
  y = resample(x)
  assert y.shape == (2, 3, 16)
  x[:, 3] += 1
  np.testing.assert_allclose(resample(x), y, atol=1e-6)
  # The order of frames tells, and each medium is by itself.
  z = resample(np.concatenate([x[:1], x[1:, [1, 0, 2, 3]]]))
  np.testing.assert_allclose(z[0], y[0], atol=1e-6)
  assert np.abs(z[1] - y[1]).max() > 1e-4

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""GATED XATTN-DENSE: gates, masks and who sees what (Flamingo §2.2, A.1.3)."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.models.cross_attention import (
    GatedCrossAttentionBlock,
    visible_latents,
)
from flamingo_jax.models.decoder_config import BlockConfig

INDEX = jnp.array([[0, 0, 1, 1, 2, 3, 3]])  # of 3 media with 2 latents each


def test_visible_latents_as_drawn():
  mask = visible_latents(jnp.array([[0, 2, 3]]), media=3, latents=2)
  np.testing.assert_array_equal(
      mask[0].astype(int),
      [[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]],
  )


@pytest.fixture(scope='module')
def block():
  rng = np.random.default_rng(0)
  x, media = (
      rng.normal(size=(1, size, 8)).astype(np.float32) for size in (7, 6)
  )
  mask = visible_latents(INDEX, 3, 2)
  model = GatedCrossAttentionBlock(BlockConfig(heads=2, head_size=4))
  params = nn.unbox(jax.jit(model.init)(jax.random.key(2), x, media, mask))

  @jax.jit
  def run(x, media, attn_gate=0.0, ffw_gate=0.0):
    gates = {'attn_gate': attn_gate, 'ffw_gate': ffw_gate}
    return model.apply({'params': params['params'] | gates}, x, media, mask)[0]

  return run, x, media


def test_each_gate_opens_its_branch_by_its_tanh(block):
  run, x, media = block
  attn = run(x, media, attn_gate=0.5) - x
  np.testing.assert_allclose(
      run(x, media, attn_gate=2.0) - x,
      attn * np.tanh(2.0) / np.tanh(0.5), atol=1e-5,
  )
  assert np.abs(attn).max() > 1e-2
  assert np.abs(run(x, media, ffw_gate=0.5) - x).min() > 0


def test_token_depends_on_a_medium_iff_it_is_its_own(block):
  run, x, media = block
  jacobian = jax.jit(jax.jacobian(
      lambda m: run(x, m, attn_gate=1.0, ffw_gate=1.0)
  ))(media)
  jacobian = np.asarray(jacobian)[0, :, :, 0]  # [L D S D]
  strength = np.abs(jacobian).sum(axis=(1, 3)).reshape(7, 3, 2).sum(-1)
  for token, index in enumerate(np.asarray(INDEX[0])):
    for medium in range(1, 4):
      assert (strength[token, medium - 1] > 0) == (index == medium)

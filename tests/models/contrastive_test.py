# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Both towers: what they read, and how many parameters they have."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError
from flamingo_jax.models import contrastive
from flamingo_jax.models.encoder_layer import EncoderLayer
from tests import random_weights  # has the vision encoder

assert random_weights
CONFIG = contrastive.ContrastiveConfig(
    vision='one_block',
    text=contrastive.TextEncoderConfig(
        vocab=50, layers=2, width=16, heads=2, head_size=8, context=6
    ),
    joint=12, image_size=16, dtype='float32',
)


def test_texts_are_read_in_both_directions_and_without_padding():
  text = CONFIG.text
  module = contrastive.TextEncoder(text, 'float32')
  tokens = np.array([[3, 4, 5, 6], [3, 4, 9, 9]])
  mask = np.array([[True] * 4, [True, True, False, False]])
  params = jax.jit(module.init)(jax.random.key(0), tokens, mask)
  encode = jax.jit(module.apply)
  out = encode(params, tokens, mask)
  other = encode(params, np.where(np.arange(4) < 2, tokens, 7), mask)
  np.testing.assert_array_equal(out[1], other[1])
  assert not np.allclose(out[0], other[0])
  # Two layers: a first token that does not see the last one would not change.
  layer = EncoderLayer(text.heads, text.head_size, jax.nn.gelu, 'float32')
  x = np.random.default_rng(0).normal(size=(1, 4, 16)).astype(np.float32)
  mask = mask[:1, None]
  weights = jax.jit(layer.init)(jax.random.key(2), x, None, mask)

  @jax.jit
  @jax.grad
  def gradient(x, mask):
    return layer.apply(weights, x, None, mask)[0][0, 0].sum()

  assert np.any(gradient(x, mask)[0, 3] != 0)


def test_vectors_have_length_one():
  module = models.DualTower(CONFIG)
  images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
  inputs = images, np.ones((2, 6), np.int32), np.ones((2, 6), bool)
  params = jax.jit(module.init)(jax.random.key(1), *inputs)
  pictures, texts, scale = jax.jit(module.apply)(params, *inputs)
  for x in (pictures, texts):
    assert x.shape == (2, 12)
    np.testing.assert_allclose(np.linalg.norm(x, axis=-1), 1, rtol=1e-5)
  assert scale == pytest.approx(10)


def parameters(module, *inputs):
  return models.init_shapes(module.init, jax.random.key(0), *inputs)['params']


@pytest.mark.parametrize('vision', ['one_block', 'tiny_vit'])
def test_the_vision_encoder_is_flamingos(vision):
  tower = dataclasses.replace(CONFIG, vision=vision)
  flamingo = models.variants.get(
      'flamingo_tiny', {'vision': vision, 'image_size': 16}
  )
  tokens, mask = jnp.ones((1, 1), jnp.int32), jnp.ones((1, 1, 1), bool)
  media = jnp.zeros((1, 1, 1, 16, 16, 3), jnp.uint8)
  mine, theirs = (
      jax.tree.map(jnp.shape, tree['vision_encoder']) for tree in (
          parameters(models.DualTower(tower), media[0, 0], tokens, mask[0]),
          parameters(models.Flamingo(flamingo), tokens, tokens, media, mask),
      )
  )
  assert mine == theirs


def test_parameters_of_the_papers_towers():
  config = contrastive.get('contrastive_f6')
  shapes = parameters(
      models.DualTower(config), jnp.zeros((1, 288, 288, 3), jnp.uint8),
      jnp.zeros((1, 64), jnp.int32), jnp.ones((1, 64), bool),
  )
  millions = {
      name: sum(x.size for x in jax.tree.leaves(tree)) / 1e6
      for name, tree in shapes.items()
  }
  assert round(millions['vision_encoder']) == 435
  # BERT-Large with 32,000 entries instead of 30,522.
  assert round(millions['text_encoder']) == 335
  assert millions['image_projection'] == pytest.approx(3072 * 1376 / 1e6)
  with pytest.raises(UserError, match='contrastive_tiny, .*contrastive_f6'):
    contrastive.get('other')

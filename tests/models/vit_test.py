# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ViT: its numbers and its size."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.models import init_shapes, vit
from flamingo_jax.models.vision import vision_encoder

vit.VITS['two_heads'] = vit.ViTConfig(patch=4, layers=2, width=8, heads=2)


def shapes(variant, pixels):
  spec = jax.ShapeDtypeStruct((1, pixels, pixels, 3), jnp.float32)
  module = vision_encoder(variant, 'float32')
  params = init_shapes(module.init, jax.random.key(0), spec)
  return params, jax.eval_shape(module.apply, params, spec).shape


def count(params):
  return sum(x.size for x in jax.tree.leaves(params))


def test_l14_has_clips_parameters_but_for_what_is_left_out():
  params, grid = shapes('L/14', 224)
  assert grid == (1, 16, 16, 1024)
  clip = 303_179_776  # openai/clip-vit-large-patch14, without its projection
  class_token = 2 * 1024  # and its place
  norm = 2 * 1024  # before the layers
  biases = 24 * (4 * 1024 + 4096 + 1024)  # attention, up, down
  assert count(params) == clip - class_token - norm - biases


def layer_norm(p, x):
  x = x - x.mean(-1, keepdims=True)
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * p['scale'] + p[
      'bias']


def vit_of_paper(params, picture, patch, layers):
  """Dosovitskiy et al. 2021, eq. 1-4, of one picture and without its class token.

  In float64: a loop over patches, layers and heads. Heads are 'map's columns one
  after the other.
  """
  side = picture.shape[0] // patch
  patches = [
      picture[row * patch:(row + 1) * patch, column * patch:(column + 1) * patch]
      for row in range(side) for column in range(side)
  ]
  x = np.array([p.ravel() for p in patches], np.float64)
  x = x @ params['patches_projection']['kernel'] + params['position_embeddings']
  for i in range(layers):
    p = jax.tree.map(lambda leaf: leaf[i], params['layer_blocks'])
    y = layer_norm(p['attn_norm'], x)
    out = p['out']['map']['kernel']
    for head, columns in enumerate(np.split(np.arange(x.shape[1]), len(out))):
      query, key, value = (
          y @ p[name]['map']['kernel'][:, columns]
          for name in ('query', 'key', 'value')
      )
      weights = np.exp(query @ key.T / np.sqrt(len(columns)))
      weights /= weights.sum(-1, keepdims=True)
      x = x + weights @ value @ out[head]
    y = layer_norm(p['ffw_norm'], x) @ p['ffw']['up']['kernel']
    y *= 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    x = x + y @ p['ffw']['down']['kernel']
  return layer_norm(params['norm'], x).reshape(side, side, -1)


def test_the_grid_is_the_one_of_the_paper():
  module = vision_encoder('two_heads', 'float32')
  rng = np.random.default_rng(0)
  pictures = rng.normal(size=(2, 12, 12, 3)).astype(np.float32)
  params = jax.tree.map(
      lambda x: rng.normal(size=x.shape).astype(np.float32) / 3,
      nn.unbox(init_shapes(module.init, jax.random.key(0), pictures)),
  )
  found = jax.jit(module.apply)(params, pictures)
  for grid, picture in zip(found, pictures, strict=True):
    expected = vit_of_paper(params['params'], picture, patch=4, layers=2)
    assert expected.std() > 0.1
    np.testing.assert_allclose(grid, expected, rtol=1e-4, atol=1e-5)


def test_vision_encoders_of_ablations_have_the_sizes_that_compare():
  (vit, grid), (nfnet, other), (micro, _) = (
      shapes(name, 48) for name in ('tiny_vit', 'tiny', 'micro')
  )
  assert grid[:3] == other[:3] == (1, 3, 3)
  assert 0.8 < count(vit) / count(nfnet) < 1.25
  assert count(micro) < count(nfnet) / 2


def test_pictures_that_no_patches_fill_are_one_sentence():
  with pytest.raises(UserError, match='give another image_size'):
    shapes('tiny_vit', 40)
  with pytest.raises(UserError, match='F0.*tiny_vit'):
    vision_encoder('resnet', 'float32')

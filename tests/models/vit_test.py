# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ViT: its grid, its places, and that both kinds of model take it."""

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError
from flamingo_jax.models import contrastive
from flamingo_jax.models.vision import vision_encoder
from flamingo_jax.training.optimizer import clip_towers


def shapes(variant, pixels):
  spec = jax.ShapeDtypeStruct((1, pixels, pixels, 3), jnp.float32)
  module = vision_encoder(variant, 'float32')
  params = jax.eval_shape(module.init, jax.random.key(0), spec)
  return params, jax.eval_shape(module.apply, params, spec).shape


def count(params):
  return sum(x.size for x in jax.tree.leaves(params))


def test_l14_is_clips_but_for_the_class_token():
  params, grid = shapes('L/14', 224)
  assert grid == (1, 16, 16, 1024)
  assert 302e6 < count(params) < 304e6


def test_the_tiny_one_has_the_grid_and_nearly_the_size_of_the_nfnet():
  params, grid = shapes('tiny_vit', 48)
  nfnet, other = shapes('tiny', 48)
  assert grid[:3] == other[:3] == (1, 3, 3)
  assert 0.8 < count(params) / count(nfnet) < 1.25


def test_micro_is_smaller_than_tiny():
  assert count(shapes('micro', 48)[0]) < count(shapes('tiny', 48)[0]) / 2


def test_patches_are_where_they_are_in_the_picture():
  module = vision_encoder('tiny_vit', 'float32')
  params = nn.unbox(module.init(jax.random.key(0), jnp.zeros((1, 48, 48, 3))))
  x = np.zeros((1, 48, 48, 3), np.float32)
  x[:, 16:32, 32:] = 1  # the patch in row 1 and column 2
  # Before attention: how much the map of patches sees of each.
  _, state = module.apply(
      params, jnp.array(x), capture_intermediates=lambda m, _: (
          m.name == 'patches_projection'
      ), mutable='intermediates',
  )
  (seen,) = state['intermediates']['patches_projection']['__call__']
  np.testing.assert_array_equal(
      np.abs(seen[0]).max(-1) > 0, np.arange(9) == 1 * 3 + 2
  )


def test_the_contrastive_tower_is_flamingos_and_is_clipped():
  config = contrastive.get('contrastive_tiny_vit')
  spec = jax.ShapeDtypeStruct
  pixels = spec((1, 48, 48, 3), jnp.uint8)
  tower = jax.eval_shape(
      models.DualTower(config).init, jax.random.key(0), pixels,
      spec((1, 4), jnp.int32), spec((1, 4), jnp.bool_),
  )['params']
  flamingo = models.variants.get('flamingo_tiny', {'vision': 'tiny_vit'})
  whole = jax.eval_shape(
      models.Flamingo(flamingo).init, jax.random.key(0),
      spec((1, 1), jnp.int32), spec((1, 1), jnp.int32),
      spec((1, 1, 1, 48, 48, 3), jnp.uint8), spec((1, 1, 1), jnp.bool_),
  )['params']
  assert jax.tree.map(jnp.shape, tower['vision_encoder']) == jax.tree.map(
      jnp.shape, whole['vision_encoder']
  )
  clipped = jax.eval_shape(
      lambda x: clip_towers(x, x, 1e-2, 10.0), nn.unbox(tower)
  )
  assert jax.tree.map(jnp.shape, clipped) == jax.tree.map(
      jnp.shape, nn.unbox(tower)
  )


def test_pictures_that_no_patches_fill_are_one_sentence():
  with pytest.raises(UserError, match='give another image_size'):
    shapes('tiny_vit', 40)
  with pytest.raises(UserError, match='F0.*tiny_vit'):
    vision_encoder('resnet', 'float32')
  assert dataclasses.is_dataclass(contrastive.get('contrastive_micro'))

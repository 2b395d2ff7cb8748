# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Low-rank updates compute what the dense map W + alpha / r A B does."""

import dataclasses

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError
from flamingo_jax.models import lora
from flamingo_jax.models.lora import LoraConfig
from tests.random_weights import random_weights, tiny_config

# Layers before the first block, in groups and in the tail, and those of pictures.
CONFIG = dataclasses.replace(
    tiny_config(
        models.ViTConfig(patch=8, layers=1, width=16, heads=2), vocab=50,
        layers=4, xattn_every=2, first=1,
    ),
    lora=LoraConfig(3, 5.0, ('decoder/*', 'vision_encoder/*')),
)
INDEX = jnp.array([[0, 1, 1, 2]])
TOKENS = jnp.array([[3, 50, 7, 9]])
MEDIA = jnp.asarray(
    np.random.default_rng(0).integers(0, 256, (1, 2, 1, 16, 16, 3), np.uint8)
)


def logits(params):
  return CONFIG.build().apply(
      {'params': params}, TOKENS, INDEX, MEDIA, jnp.ones((1, 2, 1), bool)
  )


def merged(tree):
  """The model without updates that computes the same."""
  flat = traverse_util.flatten_dict(tree)
  for path in [path for path in flat if path[-1] == lora.SCALE]:
    update = lora.product(*(
        flat.pop((*path[:-1], name)) for name in lora.LEAVES
    ))
    kernel = *path[:-1], 'kernel'
    flat[kernel] += update.reshape(flat[kernel].shape)
  return traverse_util.unflatten_dict(flat)


@pytest.fixture(scope='module')
def params():
  tree = random_weights(CONFIG, scale=0.2)
  scaled = lambda path, x: x * 0 + 5 / 3 if path[-1] == lora.SCALE else x
  return traverse_util.path_aware_map(scaled, tree)


def test_gradients_are_those_of_the_dense_map(params):
  factors, rest = lora.split(params)
  assert len(jax.tree.leaves(factors)) == 2 * (3 * 7 + 7)
  ascent = np.random.default_rng(1).normal(size=(1, 4, 51)).astype(np.float32)

  def found(change):
    return jax.jit(jax.value_and_grad(
        lambda x: jnp.sum(ascent * logits(change(lora.join(x, rest))))
    ))(factors)

  value, gradient = found(lambda tree: tree)
  dense_value, dense_gradient = found(merged)
  np.testing.assert_allclose(value, dense_value, rtol=1e-5)
  for x, y in zip(*map(jax.tree.leaves, (gradient, dense_gradient))):
    np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5 * np.abs(y).max())
    assert np.abs(x).max() > 0


def test_a_model_begins_as_the_one_without_updates(params):
  def begun(path, x):
    return 0 * x if path[-1] == 'lora_b' else x

  begun = traverse_util.path_aware_map(begun, params)
  bare = traverse_util.unflatten_dict({
      path: x for path, x in traverse_util.flatten_dict(params).items()
      if path[-1] not in lora.LEAVES
  })
  forward = jax.jit(logits)
  np.testing.assert_array_equal(forward(begun), forward(bare))
  assert np.abs(forward(begun) - forward(params)).max() > 0.01


def test_a_pattern_chooses_maps_and_rank_0_none():
  def paths(config):
    shapes = models.init_shapes(
        config.build().init, jax.random.key(0), TOKENS, INDEX, MEDIA,
        jnp.ones((1, 2, 1), bool),
    )
    flat = traverse_util.flatten_dict(nn.unbox(shapes)['params'], sep='/')
    return {path.removesuffix('/lora_a') for path in flat if 'lora_a' in path}

  assert paths(dataclasses.replace(
      CONFIG, lora=LoraConfig(2, 1.0, ('decoder/*/key', 'vision_encoder/*/up'))
  )) == {
      'vision_encoder/layer_blocks/ffw/up', *(
          f'decoder/{stack}/lm/attn/key/map'
          for stack in ('head', 'groups', 'tail')
      )
  }
  none = dataclasses.replace(CONFIG, lora=LoraConfig(0, 3.0, ('decoder/*',)))
  assert none.lora == LoraConfig()
  assert not paths(none)
  for pattern in ('decoder/*/qury', 'decoder/groups/xattn/*'):
    with pytest.raises(UserError, match='is the path of no linear map of a .*'
                       'there are decoder/groups/lm/attn/key, '):
      paths(dataclasses.replace(CONFIG, lora=LoraConfig(2, 1.0, (pattern,))))


def test_alone_freezes_towers_that_were_trained_along():
  trained = dataclasses.replace(CONFIG, trains_language_model=True)
  assert trained.trained_towers == ('decoder',)
  alone = dataclasses.replace(CONFIG.lora, alone=True)
  assert dataclasses.replace(trained, lora=alone).trained_towers == ()


@pytest.mark.parametrize('field, value, told', [
    ('rank', -1, 'lora.rank is -1: a whole number'),
    ('alpha', 0.0, 'lora.alpha is 0.0: a number above 0'),
    ('projections', (), 'must be a list of patterns of paths, such as'),
    ('rank', 0, 'lora.alone leaves nothing to train'),
])
def test_what_is_no_update_is_told(field, value, told):
  with pytest.raises(UserError, match=told):
    LoraConfig(**{'rank': 1, 'alone': True, field: value})

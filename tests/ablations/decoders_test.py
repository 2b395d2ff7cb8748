# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How else text could see media: each ablation is what its sentence says."""

import functools

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.ablations import architecture
from flamingo_jax.training.trainable import split_params
from tests.random_weights import random_weights, tiny_config

# A group of two layers and a tail of one.
OVERRIDES = vars(tiny_config('one_block', vocab=11, layers=3, xattn_every=2))
NAMES = ('no_gate', 'vanilla_xattn', 'grafting', 'all_previous_images')
# No token sees medium 1.
INDEX = np.array([0, 2, 2, 2, 2, 3, 3, 3])
RNG = np.random.default_rng(1)
TOKENS = RNG.integers(0, 11, 8)
LATENTS = RNG.normal(size=(3, 3, 16)).astype(np.float32)


class Variant:
  """A decoder with random weights and open gates."""

  def __init__(self, name):
    self.name = name
    self.config = architecture.variant('flamingo_tiny', OVERRIDES, name)
    self.params = random_weights(self.config, scale=0.3)

  @functools.cached_property
  def forward(self):
    def logits(model, *args):
      x, unembed, _ = model.decoder(*args)
      return unembed.logits(x)

    return self.jit(logits)

  def jit(self, method):
    module = self.config.build()
    return jax.jit(
        lambda params, *args: module.apply(
            {'params': params}, *args, method=method
        )
    )

  def shapes(self, part):
    flat = traverse_util.flatten_dict(self.params['decoder'])
    return {path: x.shape for path, x in flat.items() if part in path}


@pytest.fixture(scope='module', params=NAMES)
def variant(request):
  return Variant(request.param)


def test_what_the_logits_of_a_token_depend_on(variant):
  tokens, latents = np.tile(TOKENS, (5, 1)), np.tile(LATENTS, (5, 1, 1, 1))
  tokens[1, 7] = (tokens[1, 7] + 1) % 11
  for medium in range(3):
    latents[2 + medium, medium] += 1
  y = variant.forward(variant.params, tokens, np.tile(INDEX, (5, 1)), latents)
  token, first, second, third = np.abs(y[1:] - y[0]).max(-1) > 0
  np.testing.assert_array_equal(token, [False] * 7 + [True])
  np.testing.assert_array_equal(third, INDEX == 3)
  np.testing.assert_array_equal(second, INDEX >= 2)
  # Seen by no token, unless all media so far are seen.
  sees_all = variant.name == 'all_previous_images'
  np.testing.assert_array_equal(first, (INDEX > 0) & sees_all)
  assert variant.config.shares_prefixes != sees_all


def test_identity_at_initialisation_is_the_gates(variant):
  closed = jax.tree_util.tree_map_with_path(
      lambda path, x: 0 * x if 'gate' in path[-1].key else x, variant.params
  )
  tile = lambda x: np.tile(x, (5, *[1] * x.ndim))  # what is compiled
  y = variant.forward(closed, tile(TOKENS), tile(INDEX), tile(LATENTS))
  z = variant.jit('language_model')(closed, tile(TOKENS))
  # Layers from scratch on top are no identity, whatever their gates.
  expected = variant.name in ('vanilla_xattn', 'all_previous_images')
  assert np.allclose(y, z, atol=1e-5) == expected


def test_decoding_with_a_cache_equals_the_full_pass(variant):
  rng = np.random.default_rng(3)
  lengths = np.array([5, 6, 2, 2, 2])
  index = np.zeros((5, 8), int)
  index[0, 1:5], index[1, 3:] = 1, 2
  index[1, :3], index[0, 5:] = 1, 1  # what follows sees the last one
  tokens = rng.integers(0, 11, (5, 8))
  latents = rng.normal(size=(5, 3, 3, 16)).astype(np.float32)
  whole = variant.forward(variant.params, tokens, index, latents)
  prompt = lambda x: jnp.where(np.arange(6) < lengths[:, None], x[:, :6], 0)

  def decode(model, tokens, index, latents, more):
    first, cache = model.prefill(
        tokens, index, latents, jnp.array(lengths), cache_length=10
    )
    return jnp.concatenate([first[:, None], model.extend(more, cache)[0]], 1)

  more = np.stack([tokens[i, n:n + 2] for i, n in enumerate(lengths)])
  found = variant.jit(decode)(
      variant.params, prompt(tokens), prompt(index), latents, more
  )
  for i, n in enumerate(lengths):
    np.testing.assert_allclose(found[i], whole[i, n - 1:n + 2], atol=2e-4)


@pytest.mark.parametrize('name, gates', [
    ('no_gate', 0), ('vanilla_xattn', 3), ('grafting', 2),
    ('all_previous_images', 2),
])
def test_where_text_sees_media(name, gates):
  variant = Variant(name)
  shapes = variant.shapes('xattn')
  assert gates == sum(
      np.prod(shape, dtype=int)
      for path, shape in shapes.items() if path[-1] == 'attn_gate'
  )
  within_layers = name in ('vanilla_xattn', 'grafting')
  assert any('ffw' in path for path in shapes) != within_layers
  # Between them is the same language model, and it alone is frozen.
  frozen = lambda v: jax.tree.map(jnp.shape, split_params(v.params)[1])
  assert frozen(variant) == frozen(Variant(''))


def test_grafted_layers_have_the_parameters_of_the_blocks():
  def count(name, part, layers):
    config = architecture.variant('flamingo_tiny', OVERRIDES | {
        'decoder.layers': layers, 'decoder.xattn_every': 1
    }, name)
    params = random_weights(config, scale=0.0)['decoder']
    flat = traverse_util.flatten_dict(params)
    return sum(x.size for path, x in flat.items() if part in path)
  for layers in (3, 24):
    ratio = count('grafting', 'graft', layers) / count('', 'xattn', layers)
    assert 0.9 < ratio < 1.02

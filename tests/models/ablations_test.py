# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How else text could see media: each ablation is what its sentence says."""

import dataclasses

from flax import linen as nn, traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder import Decoder

BASE = models.DecoderConfig(
    vocab=11, layers=3, width=16, heads=2, head_size=8, xattn_every=1
)
VARIANTS = {
    name: dataclasses.replace(BASE, **fields) for name, fields in {
        'base': {},
        'no_gate': {'gated': False},
        'vanilla': {'xattn': 'vanilla'},
        'grafted': {'xattn': 'grafted'},
        'single': {'xattn': 'single', 'xattn_every': 2},
        'every_2nd': {'xattn_every': 2},
        'earlier': {'sees_earlier': True},
        'earlier_grafted': {'sees_earlier': True, 'xattn': 'grafted'},
    }.items()
}
# No token sees medium 1.
INDEX = np.array([0, 2, 2, 2, 2, 3, 3, 3])


class Variant:
  """A decoder with random weights and open gates."""

  def __init__(self, name):
    self.name, self.config = name, VARIANTS[name]
    self.module = models.Flamingo(models.variants.get('flamingo_tiny', {
        'decoder': self.config, 'resampler.latents': 2, 'resampler.width': 16,
    }))
    spec = jax.ShapeDtypeStruct
    shapes = jax.eval_shape(
        Decoder(self.config, 'float32').init, jax.random.key(0),
        spec((1, 8), jnp.int32), spec((1, 8), jnp.int32),
        spec((1, 3, 2, 16), jnp.float32),
    )
    self.shapes = traverse_util.flatten_dict(nn.unbox(shapes)['params'])
    self.forward = jax.jit(lambda p, *args: self.module.apply(
        {'params': {'decoder': p}}, *args,
        method=lambda model, *args: model.decoder(*args)[0],
    ))

  def params(self, gate=1.0):
    rng = np.random.default_rng(0)
    flat = {}
    for path, x in self.shapes.items():
      noise = 0.3 * rng.normal(size=x.shape).astype(np.float32)
      offset = 1.0 if path[-1] == 'scale' else 0.0
      flat[path] = jnp.array(
          np.full(x.shape, gate, np.float32) if 'gate' in path[-1]
          else offset + noise
      )
    return traverse_util.unflatten_dict(flat)

  def apply(self, method, *args):
    return jax.jit(lambda p, *args: self.module.apply(
        {'params': {'decoder': p}}, *args, method=method
    ))(self.params(), *args)


@pytest.fixture(scope='module', params=VARIANTS)
def variant(request):
  return Variant(request.param)


def changes(variant):
  """Positions whose logits change with the last token, and with each medium."""
  rng = np.random.default_rng(1)
  tokens = np.tile(rng.integers(0, 11, 8), (5, 1))
  latents = np.tile(rng.normal(size=(1, 3, 2, 16)), (5, 1, 1, 1))
  tokens[1, 7] = (tokens[1, 7] + 1) % 11
  for medium in range(3):
    latents[2 + medium, medium] += 1
  y = variant.forward(
      variant.params(), tokens, np.tile(INDEX, (5, 1)),
      latents.astype(np.float32),
  )
  return np.abs(y[1:] - y[0]).max(-1) > 0


def test_what_the_logits_of_a_token_depend_on(variant):
  token, first, second, third = changes(variant)
  np.testing.assert_array_equal(token, [False] * 7 + [True])
  np.testing.assert_array_equal(third, INDEX == 3)
  np.testing.assert_array_equal(second, INDEX >= 2)
  # Seen by no token, unless all media so far are seen.
  np.testing.assert_array_equal(
      first, (INDEX > 0) & variant.config.sees_earlier
  )


def test_identity_at_initialisation_is_the_gates(variant):
  tokens, index = np.arange(8)[None], INDEX[None]
  latents = np.random.default_rng(2).normal(size=(1, 3, 2, 16))
  params = variant.params(gate=0.0)
  y = variant.forward(params, tokens, index, latents.astype(np.float32))
  z = variant.forward(params, tokens, None, None)
  same = np.allclose(y, z, atol=1e-5)
  # Layers from scratch on top are no identity, whatever their gates.
  assert same == (variant.config.gated and variant.config.xattn != 'grafted')


def test_decoding_with_a_cache_equals_the_full_pass(variant):
  rng = np.random.default_rng(3)
  lengths = np.array([5, 6, 2])
  index = np.zeros((3, 8), int)
  index[0, 1:5], index[1, 3:] = 1, 2
  index[1, :3], index[0, 5:] = 1, 1  # what follows sees the last one
  tokens = rng.integers(0, 11, (3, 8))
  latents = rng.normal(size=(3, 3, 2, 16)).astype(np.float32)
  whole = variant.forward(variant.params(), tokens, index, latents)
  prompt = lambda x: jnp.where(np.arange(6) < lengths[:, None], x[:, :6], 0)
  prefill = lambda m, *args: m.prefill(*args, cache_length=10)
  logits, cache = variant.apply(
      prefill, prompt(tokens), prompt(index), latents, lengths
  )
  more = np.stack([tokens[i, n:n + 2] for i, n in enumerate(lengths)])
  after, _ = variant.apply(lambda m, *args: m.extend(*args), more, cache)
  for i, n in enumerate(lengths):
    expected = whole[i, n - 1:n + 2]
    found = np.concatenate([logits[i][None], after[i]])
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_where_blocks_are():
  gates, ffws = {}, {}
  for name in VARIANTS:
    shapes = Variant(name).shapes
    gates[name] = sum(
        np.prod(x.shape, dtype=int)
        for path, x in shapes.items() if path[-1] == 'attn_gate'
    )
    ffws[name] = any('xattn' in path and 'ffw' in path for path in shapes)
    if VARIANTS[name].gated:
      assert gates[name] == VARIANTS[name].blocks
  assert gates == {
      'base': 3, 'no_gate': 0, 'vanilla': 3, 'grafted': 2, 'single': 1,
      'every_2nd': 2, 'earlier': 3, 'earlier_grafted': 2,
  }
  assert ffws == {
      name: config.xattn in ('dense', 'single')
      for name, config in VARIANTS.items()
  }


def test_a_single_block_is_between_layers():
  names = {path[:2] for path in Variant('single').shapes if len(path) > 2}
  assert ('tail', 'xattn') in names and ('groups', 'xattn') not in names


def test_grafted_layers_have_the_parameters_of_the_blocks():
  def count(name, module):
    shapes = Variant(name).shapes
    return sum(x.size for path, x in shapes.items() if module in path)
  assert 0.9 < count('grafted', 'graft') / count('base', 'xattn') < 1.0
  assert dataclasses.replace(
      BASE, layers=24, xattn='grafted'
  ).graft_layers == 17


def test_the_language_model_of_all_is_the_same():
  # Under names and in groups that run_dir/regroup.py knows.
  for name in VARIANTS:
    frozen = {
        path[2:]: np.prod(x.shape) for path, x in Variant(name).shapes.items()
        if path[:2] == ('groups', 'lm') and 'xattn' not in path
    }
    assert len(frozen) == 11


@pytest.mark.parametrize('fields, sentence', [
    ({'xattn': 'both'}, 'dense, single, vanilla, grafted'),
    ({'xattn': 'single'}, 'make decoder.xattn_every 2'),
    ({'xattn': 'vanilla', 'xattn_every': 2}, 'make decoder.xattn_every 1'),
])
def test_what_cannot_be_built_is_one_sentence(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    dataclasses.replace(BASE, **fields)

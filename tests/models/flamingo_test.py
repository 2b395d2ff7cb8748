# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The whole model: identity, causality, scan, remat (design: invariants)."""

import dataclasses
import functools

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.models.cross_attention import (
    GatedCrossAttentionBlock,
    visible_latents,
)
from flamingo_jax.models.decoder import Decoder, DecoderLayer
from flamingo_jax.models.layer_stack import REMAT_POLICIES
from flamingo_jax.models.layers import RMSNorm
from tests.random_weights import tiny_config

# A layer, two groups of two and a tail of one: every kind of stack there is.
CONFIG = tiny_config('one_block', vocab=50, layers=6, xattn_every=2, first=1)
EOC = CONFIG.decoder.vocab
INDEX = jnp.array([[0, 0, 1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 2, 2, 3, 3]])


@pytest.fixture(scope='module')
def inputs():
  keys = jax.random.split(jax.random.key(0), 2)
  tokens = jax.random.randint(keys[0], INDEX.shape, 0, EOC)
  media = jax.random.randint(keys[1], (2, 3, 1, 16, 16, 3), 0, 256)
  tokens = tokens.at[:, 4].set(EOC)
  return tokens, INDEX, media.astype(jnp.uint8), jnp.ones((2, 3, 1), bool)


@pytest.fixture(scope='module')
def params(inputs):
  init = jax.jit(models.Flamingo(CONFIG).init)
  return nn.unbox(init(jax.random.key(1), *inputs))['params']


@pytest.fixture(scope='module')
def opened(params):
  """The parameters with every gate open, as after training."""
  def open_gate(path, x):
    return x + 0.7 if 'gate' in path[-1].key else x
  return jax.tree_util.tree_map_with_path(open_gate, params)


def run(params, *inputs, config=CONFIG):
  return models.Flamingo(config).apply({'params': params}, *inputs)


@functools.partial(jax.jit, static_argnames='config')
def run_decoder(params, tokens, index, latents, config=CONFIG.decoder):
  decoder = Decoder(config, 'float32')
  x, unembed, _ = decoder.apply(
      {'params': params['decoder']}, tokens, index, latents
  )
  return unembed.logits(x)


@pytest.fixture(scope='module')
def latents():
  return jax.random.normal(jax.random.key(5), (2, 3, 3, 16))


def test_at_init_logits_are_the_language_models_bit_for_bit(params, inputs):
  tokens, index, media, mask = inputs
  language_model = jax.jit(lambda p, t: models.Flamingo(CONFIG).apply(
      {'params': p}, t, method='language_model'
  ))(params, tokens)
  forward = jax.jit(run)
  for pixels in (media, 255 - media):
    y = forward(params, tokens, index, pixels, mask)
    np.testing.assert_array_equal(y, language_model)


def test_open_gates_let_the_pictures_in(opened, inputs):
  tokens, index, media, mask = inputs
  forward = jax.jit(run)
  y = forward(opened, tokens, index, media, mask)
  z = forward(opened, tokens, index, 255 - media, mask)
  changed = np.abs(y - z).max(axis=-1) > 0
  # Row 0 has two tokens before its first picture: they can't change.
  np.testing.assert_array_equal(changed, INDEX > 0)


def test_logits_do_not_depend_on_later_tokens(opened, inputs, latents):
  index = inputs[1]
  # The gradient with respect to the embedding of each position.
  decoder = opened['decoder']
  table = decoder['token_embedder']
  def logits(rows):  # one private row of the table per position
    p = opened | {'decoder': decoder | {'token_embedder': rows}}
    return run_decoder(p, jnp.arange(8)[None], index[:1], latents[:1])
  # The logit of row 20, which belongs to no position.
  jacobian = jax.jit(jax.jacobian(lambda rows: logits(rows)[0, :, 20]))(table)
  strength = np.abs(jacobian[:, :8]).sum(-1)  # [query, position]
  for query in range(8):
    np.testing.assert_array_equal(strength[query, query + 1:], 0)
    assert (strength[query, : query + 1] > 0).all()


def test_logits_do_not_depend_on_media_that_come_later(opened, inputs, latents):
  tokens, index = inputs[:2]
  jacobian = jax.jit(jax.jacobian(
      lambda x: run_decoder(opened, tokens[:1], index[:1], x)[0, :, 20]
  ))(latents[:1])
  strength = np.abs(jacobian).sum((1, 3, 4))  # [token, medium]
  for token, seen in enumerate(np.asarray(index[0])):
    np.testing.assert_array_equal(strength[token, seen:], 0)
    # Earlier media do reach later text, through the language model.
    assert (strength[token, :seen] > 0).all()


def test_media_that_are_padding_change_nothing(opened, inputs):
  tokens, index, media, mask = inputs
  forward = jax.jit(run)
  index = jnp.minimum(index, 2)
  mask = mask.at[:, 2].set(False)
  y = forward(opened, tokens, index, media, mask)
  z = forward(opened, tokens, index, media.at[:, 2].set(0), mask)
  np.testing.assert_array_equal(y, z)


def test_eoc_reads_its_own_row(opened, inputs, latents):
  tokens, index = inputs[:2]
  y = run_decoder(opened, tokens, index, latents)
  decoder = opened['decoder']
  moved = decoder | {'new_token_embedding': decoder['new_token_embedding'] + 1}
  z = run_decoder(opened | {'decoder': moved}, tokens, index, latents)
  assert y.shape[-1] == CONFIG.decoder.vocab + 1
  np.testing.assert_array_equal(y[:, :4, :-1], z[:, :4, :-1])  # before <EOC>
  assert (np.abs(y[:, :4, -1] - z[:, :4, -1]) > 0).all()  # its output row
  assert (np.abs(y[:, 4:] - z[:, 4:]).max(-1) > 0).all()  # its input row


@jax.jit
def unrolled(params, tokens, index, latents):
  """The decoder as a plain loop over its groups and their layers."""
  cfg, p = CONFIG.decoder, params['decoder']
  at = lambda tree, i: jax.tree.map(lambda x: x[i], tree)
  table = jnp.concatenate([p['token_embedder'], p['new_token_embedding']])
  x = table[tokens] * cfg.width**0.5
  media = jnp.einsum(
      'BMRV,VD->BMRD', latents, p['media_projection']['kernel']
  ).reshape(len(x), -1, cfg.width)
  mask = visible_latents(index, 3, 3)
  groups = [at(p['groups'], g) for g in range(cfg.groups)]
  for group in [p['head'], *groups, p['tail']]:
    if 'xattn' in group:
      block = GatedCrossAttentionBlock(cfg.sized_block)
      x, _ = block.apply({'params': group['xattn']}, x, media, mask)
    for i in range(len(group['lm']['attn_norm']['scale'])):
      layer = DecoderLayer(cfg, 'float32')
      x, _ = layer.apply(
          {'params': at(group['lm'], i)}, x, (None, {}), None, None
      )
  x = RMSNorm().apply({'params': p['final_norm']}, x)
  return x @ table.T


def test_scan_equals_the_unrolled_loop(opened, inputs, latents):
  tokens, index = inputs[:2]
  np.testing.assert_allclose(
      run_decoder(opened, tokens, index, latents),
      unrolled(opened, tokens, index, latents),
      rtol=1e-5, atol=1e-5,
  )


@pytest.fixture(scope='module')
def lowered(opened, inputs, latents):
  """Loss and gradients of the decoder with some of its fields changed."""
  def lower(**changes):
    config = dataclasses.replace(CONFIG.decoder, **changes)
    loss = lambda p: jnp.square(
        run_decoder(p, *inputs[:2], latents, config)
    ).mean()
    return jax.jit(jax.value_and_grad(loss)).lower(opened)
  return lower


@pytest.fixture(scope='module')
def plain(lowered):
  return lowered()


@pytest.mark.parametrize('changes', [
    {'unroll': 2},
    *({'remat': policy} for policy in sorted(set(REMAT_POLICIES) - {'none'})),
], ids=str)
def test_loss_and_gradients_are_the_same(opened, lowered, plain, changes):
  program = lowered(**changes)
  if 'unroll' in changes:  # both groups stand in the program
    found, expected = (
        x.as_text().count('stablehlo.while') for x in (program, plain)
    )
    assert found < expected
  chex.assert_trees_all_close(
      program.compile()(opened), plain.compile()(opened), rtol=1e-4, atol=1e-6
  )


def test_remat_policies_differ_in_what_they_keep(opened, inputs, latents):
  tokens, index = inputs[:2]
  def kept(policy):
    config = dataclasses.replace(CONFIG.decoder, remat=policy)
    vjp = jax.eval_shape(lambda x: jax.vjp(
        lambda x: run_decoder(opened, tokens, index, x, config), x
    )[1], latents)
    return sum(x.size for x in jax.tree.leaves(vjp))
  assert kept('full') < kept('named') < kept('none')
  assert kept('full') < kept('dots') < kept('none')

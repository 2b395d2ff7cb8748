# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""In bfloat16, the dtype of every published size, the model is the same model."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from tests import random_weights

VOCAB = 50
# Two groups of two layers and a tail of one.
CONFIG = dataclasses.replace(
    random_weights.tiny_config(
        'one_block', vocab=VOCAB, layers=5, xattn_every=2
    ), dtype='bfloat16', frozen_dtype='bfloat16',
)
INDEX = jnp.array([[0, 0, 1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 2, 2, 3, 3]])
# Of numbers with 8 bits, rounded after each of some twenty operations.
CLOSE = 0.03


@pytest.fixture(scope='module')
def inputs():
  keys = jax.random.split(jax.random.key(0), 2)
  tokens = jax.random.randint(keys[0], INDEX.shape, 0, VOCAB + 1)
  media = jax.random.randint(keys[1], (2, 3, 1, 16, 16, 3), 0, 256)
  return tokens, INDEX, media.astype(jnp.uint8), jnp.ones((2, 3, 1), bool)


@functools.partial(jax.jit, static_argnames='method')
def run(params, *inputs, method=None):
  return models.Flamingo(CONFIG).apply({'params': params}, *inputs, method=method)


@pytest.fixture(scope='module')
def opened():
  """Random weights, with every gate open."""
  return random_weights.random_weights(CONFIG, scale=0.2)


@pytest.fixture(scope='module')
def latents(opened, inputs):
  return run(opened, *inputs[2:], method='encode_media')


@pytest.fixture(scope='module')
def logits(opened, inputs):
  return run(opened, *inputs)


def test_behind_closed_gates_is_the_language_model_bit_for_bit(opened, inputs):
  closed = jax.tree_util.tree_map_with_path(
      lambda path, x: 0 * x if 'gate' in path[-1].key else x, opened
  )
  y = run(closed, *inputs)
  assert y.dtype == jnp.float32
  np.testing.assert_array_equal(
      y, run(closed, inputs[0], method='language_model')
  )


def test_prefill_and_extend_are_the_forward(opened, inputs, latents, logits):
  tokens, index = inputs[:2]
  lengths = jnp.array([6, 7])  # both go on with the medium they saw last
  @jax.jit
  def decode(params, tokens, index, latents, lengths):
    model = models.Flamingo(CONFIG)
    apply = lambda *args, method: model.apply(
        {'params': params}, *args, method=method
    )
    first, cache = apply(
        tokens[:, :7], index[:, :7], latents, lengths, 8, method='prefill'
    )
    rows = jnp.arange(2)
    second, cache = apply(
        tokens[rows, lengths][:, None], cache, method='extend'
    )
    return first, second[:, 0], cache

  assert latents.dtype == jnp.bfloat16
  first, second, cache = decode(opened, tokens, index, latents, lengths)
  assert cache.stacks['groups'].layers.keys.dtype == jnp.bfloat16
  rows, scale = jnp.arange(2), logits.std()
  for found, places in ((first, lengths - 1), (second, lengths)):
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(
        found, logits[rows, places], atol=CLOSE * scale
    )


def test_logits_are_those_of_float32_but_for_rounding(opened, inputs, logits):
  """Of a whole step the same is said in tests/training/train_step_test.py."""
  config = dataclasses.replace(CONFIG, dtype='float32')
  expected = jax.jit(models.Flamingo(config).apply)(
      {'params': opened}, *inputs
  )
  assert logits.dtype == expected.dtype == jnp.float32
  error = jnp.linalg.norm(logits - expected) / jnp.linalg.norm(expected)
  assert 1e-3 < error < CLOSE

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The language model alone: that of Flamingo, and blind across documents."""

import dataclasses

from flax import linen as nn, traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.errors import UserError
from tests.random_weights import random_weights, tiny_config


# Two groups of two layers and a tail of one.
CONFIG = tiny_config('one_block', vocab=50, layers=5, xattn_every=2)
MODULE = models.LanguageModel(
    models.LanguageModelConfig(CONFIG.decoder, CONFIG.dtype)
)
TOKENS = np.random.default_rng(0).integers(0, 50, (2, 9), np.int32)


@pytest.fixture(scope='module')
def params():
  params = nn.unbox(jax.jit(MODULE.init)(jax.random.key(1), TOKENS))['params']
  # Biases start at 0, where a mistake with distances would not show.
  return jax.tree.map(
      lambda x: np.float32(
          x + 0.1 * np.random.default_rng(x.size).normal(size=x.shape)
      ), jax.device_get(params),
  )


@pytest.fixture(scope='module')
def logits():
  run = jax.jit(lambda params, *args: MODULE.apply({'params': params}, *args))
  return lambda *args: np.asarray(run(*args))


@pytest.mark.parametrize('method', ['__call__', 'prefill'])
def test_texts_are_no_longer_than_the_context(method):
  decoder = dataclasses.replace(CONFIG.decoder, context=8)
  module = models.LanguageModel(
      models.LanguageModelConfig(decoder, CONFIG.dtype)
  )
  rest = (None, None, jnp.array([9, 9]), 12) if method == 'prefill' else ()
  run = lambda tokens: jax.eval_shape(lambda: module.init(
      jax.random.key(0), tokens, *rest, method=method
  ))
  with pytest.raises(UserError, match='texts have 9 tokens, and .* for 8 '):
    run(jnp.array(TOKENS))
  run(jnp.array(TOKENS[:, :8]))


def test_in_flamingo_with_closed_gates_it_is_the_same_model(params, logits):
  flamingo = models.Flamingo(CONFIG)
  media = np.zeros((2, 1, 1, 16, 16, 3), np.uint8)
  inputs = (TOKENS, np.ones_like(TOKENS), media, np.ones((2, 1, 1), bool))
  whole = random_weights(CONFIG, scale=0.1)
  flat = {
      k: np.zeros_like(x) if 'gate' in k[-1] else x
      for k, x in traverse_util.flatten_dict(whole).items()
  }
  mine = traverse_util.flatten_dict(params)
  assert {k: x.shape for k, x in mine.items()}.items() <= {
      k: x.shape for k, x in flat.items()
  }.items()
  assert set(k[1:] for k in flat if k not in mine and k[0] == 'decoder') == {
      k[1:] for k in flat
      if {'xattn', 'media_projection', 'new_token_embedding'} & set(k)
  }
  merged = traverse_util.unflatten_dict(flat | mine)
  theirs = jax.jit(flamingo.apply)({'params': merged}, *inputs)
  # Without the last entry, <EOC>.
  np.testing.assert_array_equal(theirs[..., :-1], logits(params, TOKENS))


def test_packed_documents_are_as_on_their_own(params, logits):
  segments = np.array([[1] * 4 + [2] * 3 + [0] * 2, [1] * 9])
  packed = logits(params, TOKENS, segments)
  alone = logits(params, TOKENS)
  np.testing.assert_allclose(packed[1], alone[1], rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(packed[0, :4], alone[0, :4], rtol=1e-5, atol=1e-5)
  second = logits(params, TOKENS[:1, 4:7])
  np.testing.assert_allclose(packed[0, 4:7], second[0], rtol=1e-4, atol=1e-5)
  assert not np.allclose(alone[0, 4:7], second[0], atol=1e-2)

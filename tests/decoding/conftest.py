# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Flamingo small enough to search exhaustively, and four unequal prompts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import decoding
from flamingo_jax import models
from tests.random_weights import random_weights, tiny_config

VOCAB = 5  # and <EOC>
MAX_NEW_TOKENS = 4


class TinyModel:
  """A random model, its prompts, and the full forward pass to compare with."""

  def __init__(self, layers: int, first: int = 0):
    # Three layers: a group of two and a tail of one. With one before, five: two
    # groups.
    config = tiny_config(
        vocab=VOCAB, layers=layers, xattn_every=2, context=32, first=first
    )
    self.model = models.Flamingo(config)
    self.stop = VOCAB
    self.prompts = _prompts()
    # In place of encoded media: convolutions take long to compile.
    latents = np.random.default_rng(1).normal(size=(4, 3, 3, 16))
    self.latents = jnp.array(latents, jnp.float32)
    self.params = random_weights(config, scale=0.3)

  def jit(self, function, **static):
    """`function(model, ...)` as one compiled function."""
    return jax.jit(functools.partial(function, self.model, **static))

  @functools.cached_property
  def read(self):
    """(logits, cache) of the prompts."""
    return self.read_prompts(self.params, self.prompts, self.latents)

  @functools.cached_property
  def read_prompts(self):
    """Compiled once."""
    return self.jit(decoding.read_prompts, max_new_tokens=MAX_NEW_TOKENS)

  @functools.cached_property
  def _forward(self):
    def run(model, *args):
      x, unembed, _ = model.decoder(*args)
      return jax.nn.log_softmax(unembed.logits(x))

    return jax.jit(functools.partial(self.model.apply, method=run))

  def log_probs(self, row, continuations):
    """Log-probability of each token of continuations [N, n] of one prompt.

    A full forward pass over prompt and continuation, without a cache, where
    every token is masked against all media of the prompt.
    """
    prompts, n = self.prompts, len(continuations)
    length = int(prompts.lengths[row])
    room = prompts.tokens.shape[1] + MAX_NEW_TOKENS
    tokens = np.zeros((n, room), np.int32)
    index = np.zeros((n, room), np.int32)
    tokens[:, :length] = prompts.tokens[row, :length]
    index[:, :length] = prompts.media_index[row, :length]
    end = length + continuations.shape[1]
    tokens[:, length:end] = continuations
    index[:, length:end] = prompts.media_index[row, length - 1]
    latents = np.asarray(self.latents)[[row] * n]
    found = self._forward({'params': self.params}, tokens, index, latents)
    return np.take_along_axis(
        np.asarray(found)[:, length - 1 : end - 1], continuations[..., None],
        axis=-1,
    )[..., 0]


def _prompts() -> decoding.Prompts:
  """Lengths 3, 8, 5 and 2; 1, 3, 2 and no images."""
  rng = np.random.default_rng(0)
  index = [
      [1, 1, 1],
      [0, 0, 1, 1, 2, 2, 3, 3],
      [1, 1, 2, 2, 2],
      [0, 0],
  ]
  size = max(map(len, index))
  media_index = np.array([row + [0] * (size - len(row)) for row in index])
  return decoding.Prompts(
      tokens=jnp.array(rng.integers(0, VOCAB, (4, size)), jnp.int32),
      lengths=jnp.array([len(row) for row in index], jnp.int32),
      media_index=jnp.array(media_index, jnp.int32),
  )


@pytest.fixture(scope='session')
def tiny():
  """One group and a tail."""
  return TinyModel(layers=3)


@pytest.fixture(scope='session', params=['tail', 'head'])
def either(request, tiny):
  """Both shapes of trunk."""
  return tiny if request.param == 'tail' else TinyModel(layers=5, first=1)

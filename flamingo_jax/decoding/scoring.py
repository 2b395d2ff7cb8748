# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Close-ended answers: the log-likelihood of candidates (Flamingo B.1.5)."""

import jax.numpy as jnp

from flamingo_jax.decoding.prefill import Answering, extend, log_prob
from flamingo_jax.models import Cache, gather_cache
from flamingo_jax.typing import Array, Float, Int, Tree


def score(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    candidates: Int[Array, 'B C n'],
    lengths: Int[Array, 'B C'],
) -> Float[Array, 'B C']:
  """Log-probability of each of C continuations of each prompt (§2.3, B.1.5).

  The sum over a candidate's tokens, in nats, not their mean, as the paper's
  'rank by log-likelihood'. All candidates, padded on the right with any id, are
  read at once, over copies of the cache; `logits` and `cache`, with room for
  n - 1 tokens, are those of `read_prompts`.
  """
  batch, count, size = candidates.shape
  picked = log_prob(
      jnp.repeat(logits[:, None], count, axis=1), candidates[..., 0]
  )[..., None]
  if size > 1:  # the last token of a candidate need not be read
    rows = jnp.repeat(jnp.arange(batch), count)
    flat = candidates.reshape(-1, size)
    after, _ = extend(model, params, flat[:, :-1], gather_cache(cache, rows))
    rest = log_prob(after, flat[:, 1:]).reshape(batch, count, size - 1)
    picked = jnp.concatenate([picked, rest], axis=-1)
  inside = jnp.arange(size) < lengths[..., None]
  return jnp.sum(jnp.where(inside, picked, 0.0), axis=-1)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy decoding, and sampling with temperature, top-k and top-p."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Key

from flamingo_jax.decoding.prefill import Answering, Decoded, extend, log_prob
from flamingo_jax.models import Cache
from flamingo_jax.typing import Array, Float, Int, Tree

# Logits [B V] and the number of the step to a token for each row [B].
Choose = Callable[[Array, Array], Array]


def greedy(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    *,
    room: int,
    max_new_tokens: int | Int[Array, ''],
    stop: int,
    never: Sequence[int] = (),
) -> Decoded:
  """The likeliest token at every step, up to `stop` or `max_new_tokens`.

  `logits` and `cache` are those of `read_prompts`, with room for that many
  tokens at least, for which the result has room too. Entries of `never`, which
  stand for media, are not chosen.
  """
  choose = lambda logits, step: jnp.argmax(without(logits, never), axis=-1)
  return _decode(
      model, params, logits, cache, choose, room, max_new_tokens, stop
  )


def sample(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    keys: Key[Array, 'B'],
    *,
    room: int,
    max_new_tokens: int | Int[Array, ''],
    stop: int,
    never: Sequence[int] = (),
    temperature: float | Float[Array, ''] = 1.0,
    top_k: int | Int[Array, ''] = 0,
    top_p: float | Float[Array, ''] = 1.0,
) -> Decoded:
  """A random token at every step; see `sample_token` for the options.

  `logits`, `cache`, `room` and `never` are as for `greedy`. Each row has a key,
  so that its sample does not depend on its batch. Log-probabilities are those of
  the model itself, before temperature, top-k and top-p.
  """
  def choose(logits, step):
    return jax.vmap(
        lambda key, row: sample_token(
            jax.random.fold_in(key, step), row, temperature, top_k, top_p
        )
    )(keys, without(logits, never))

  return _decode(
      model, params, logits, cache, choose, room, max_new_tokens, stop
  )


def without(
    logits: Float[Array, '*B V'], never: Sequence[int]
) -> Float[Array, '*B V']:
  """Logits by which none of the entries `never` is chosen."""
  return logits.at[..., jnp.array(never)].set(-jnp.inf) if never else logits


def sample_token(
    key: Key[Array, ''],
    logits: Float[Array, 'V'],
    temperature: float | Float[Array, ''],
    top_k: int | Int[Array, ''],
    top_p: float | Float[Array, ''],
) -> Int[Array, '']:
  """One token from softmax(logits / temperature), its tail cut off.

  Kept are the `top_k` likeliest tokens (0: all) and of those, renormalised, the
  fewest that together have probability `top_p`. Temperature 0 means the
  likeliest token.
  """
  order = jnp.argsort(-logits)
  cold = temperature <= 0
  ranked = logits[order] / jnp.where(cold, 1.0, temperature)
  rank = jnp.arange(logits.size)
  limit = jnp.where(cold, 1, jnp.where(top_k > 0, top_k, logits.size))
  ranked = jnp.where(rank < limit, ranked, -jnp.inf)
  probs = jax.nn.softmax(ranked)
  before = jnp.cumsum(probs) - probs  # probability of all likelier tokens
  ranked = jnp.where((before < top_p) | (rank == 0), ranked, -jnp.inf)
  return order[jax.random.categorical(key, ranked)]


def _decode(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    choose: Choose,
    room: int,
    max_new_tokens: int | Int[Array, ''],
    stop: int,
) -> Decoded:
  """One token per row and step until every row has stopped."""
  def append(step, logits, out):
    is_open = out.lengths == step  # every token so far was text
    token = jnp.where(is_open, choose(logits, step), stop)
    log_probs = log_prob(logits, token)
    return Decoded(
        tokens=out.tokens.at[:, step].set(token),
        lengths=out.lengths + (token != stop),
        log_probs=out.log_probs + jnp.where(is_open, log_probs, 0.0),
    )

  def go_on(state):
    step, _, out = state
    return (step < max_new_tokens) & jnp.any(out.lengths == step)

  def advance(state):
    step, cache, out = state
    last = jax.lax.dynamic_slice_in_dim(out.tokens, step - 1, 1, axis=1)
    logits, cache = extend(model, params, last, cache)
    return step + 1, cache, append(step, logits[:, 0], out)

  batch = len(logits)
  out = append(jnp.int32(0), logits, Decoded(
      tokens=jnp.full((batch, room), stop, jnp.int32),
      lengths=jnp.zeros(batch, jnp.int32),
      log_probs=jnp.zeros(batch),
  ))
  return jax.lax.while_loop(go_on, advance, (jnp.int32(1), cache, out))[-1]

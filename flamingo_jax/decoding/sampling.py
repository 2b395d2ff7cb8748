# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy decoding, and sampling with temperature, top-k and top-p."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Key

from flamingo_jax.decoding.prefill import Answering, Decoded
from flamingo_jax.decoding.steps import Choose, advance, begin
from flamingo_jax.models import Cache
from flamingo_jax.typing import Array, Float, Int, Tree


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
  return _decode(
      model, params, logits, cache, choose_likeliest(never), room,
      max_new_tokens, stop,
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
  choose = choose_at_random(keys, never, temperature, top_k, top_p)
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


def choose_likeliest(never: Sequence[int]) -> Choose:
  """The likeliest token of each row, none of `never`."""
  return lambda logits, count: jnp.argmax(without(logits, never), axis=-1)


def choose_at_random(
    keys: Key[Array, 'B'],
    never: Sequence[int],
    temperature: float | Float[Array, '*B'],
    top_k: int | Int[Array, '*B'],
    top_p: float | Float[Array, '*B'],
) -> Choose:
  """A token drawn for each row, none of `never`; see `sample_token`.

  Options are one for all rows or one for each.
  """
  options = [
      jnp.broadcast_to(x, keys.shape) for x in (temperature, top_k, top_p)
  ]

  def choose(logits, count):
    return jax.vmap(sample_token)(
        jax.vmap(jax.random.fold_in)(keys, count), without(logits, never),
        *options,
    )

  return choose


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
  ends = {'limit': max_new_tokens, 'stop': stop}
  answers, first = begin(logits, cache, choose, **ends)
  answers, rest = advance(
      model, params, answers, choose, room=room - 1, steps=max_new_tokens - 1,
      **ends,
  )
  return Decoded(
      tokens=jnp.concatenate([first.tokens[:, None], rest.tokens], axis=1),
      lengths=answers.count,
      log_probs=first.log_probs + rest.log_probs.sum(axis=1),
  )

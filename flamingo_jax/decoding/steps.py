# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A token per row and step: the loop behind greedy decoding and sampling.

What goes on between two calls is explicit (`Answers`), so that a row can begin
while others are in the middle of theirs.
"""

from collections.abc import Callable

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.decoding.prefill import Answering, extend, log_prob
from flamingo_jax.models import Cache
from flamingo_jax.typing import Array, Bool, Float, Int, Tree

# Logits [B V] and how many tokens each row has [B] to a token for each row [B].
Choose = Callable[[Array, Array], Array]


@struct.dataclass
class Answers:
  """Answers that are being written, one per row."""

  cache: Cache
  token: Int[Array, 'B']  # the last one chosen, which the cache has not read
  count: Int[Array, 'B']  # tokens before the stop
  is_open: Bool[Array, 'B']


@struct.dataclass
class Chosen:
  """What rows have chosen, n tokens each or one."""

  tokens: Int[Array | np.ndarray, 'B *n']  # `stop` from the first stop onwards
  # Of the model itself; 0 behind the stop.
  log_probs: Float[Array | np.ndarray, 'B *n']
  # The k likeliest of each step, the likeliest first, with their log-probabilities.
  likeliest: Int[Array | np.ndarray, 'B *n k']
  likeliest_log_probs: Float[Array | np.ndarray, 'B *n k']


def begin(
    logits: Float[Array, 'B V'],
    cache: Cache,
    choose: Choose,
    *,
    limit: Int[Array, '*B'] | int,
    stop: int,
    alternatives: int = 0,
) -> tuple[Answers, Chosen]:
  """Chooses the first token of every row, whose prompt has been read."""
  batch = len(logits)
  empty = Answers(
      cache=cache, token=jnp.zeros(batch, jnp.int32),
      count=jnp.zeros(batch, jnp.int32), is_open=jnp.ones(batch, bool),
  )
  return _choose(empty, logits, choose, limit, stop, alternatives)


def advance(
    model: Answering,
    params: Tree,
    answers: Answers,
    choose: Choose,
    *,
    room: int,
    steps: int | Int[Array, ''],
    limit: Int[Array, '*B'] | int,
    stop: int,
    alternatives: int = 0,
) -> tuple[Answers, Chosen]:
  """Chooses tokens until no row is open, `steps` of each at most.

  Args:
    model: the model.
    params: its whole tree.
    answers: what has been chosen so far.
    choose: a token for each row.
    room: columns of the result, at least `steps`.
    steps: how many tokens are added to an open row.
    limit: tokens at which a row ends, all before this call included.
    stop: the token that ends a row.
    alternatives: k of `Chosen`.
  """
  batch = len(answers.token)
  chosen = Chosen(
      tokens=jnp.full((batch, room), stop, jnp.int32),
      log_probs=jnp.zeros((batch, room)),
      likeliest=jnp.zeros((batch, room, alternatives), jnp.int32),
      likeliest_log_probs=jnp.zeros((batch, room, alternatives)),
  )

  def go_on(state):
    step, answers, _ = state
    return (step < steps) & jnp.any(answers.is_open)

  def take_step(state):
    step, answers, chosen = state
    logits, cache = extend(
        model, params, answers.token[:, None], answers.cache
    )
    # A row that has ended stays where it is: there may be no place behind it.
    cache = cache.replace(position=jnp.where(
        answers.is_open, cache.position, answers.cache.position
    ))
    answers, new = _choose(
        answers.replace(cache=cache), logits[:, 0], choose, limit, stop,
        alternatives,
    )
    chosen = jax.tree.map(lambda x, y: x.at[:, step].set(y), chosen, new)
    return step + 1, answers, chosen

  state = jnp.int32(0), answers, chosen
  return jax.lax.while_loop(go_on, take_step, state)[1:]


def _choose(
    answers: Answers, logits: Float[Array, 'B V'], choose: Choose,
    limit: Int[Array, '*B'] | int, stop: int, alternatives: int,
) -> tuple[Answers, Chosen]:
  """One more token in every open row."""
  is_open = answers.is_open
  token = jnp.where(is_open, choose(logits, answers.count), stop)
  best, likeliest = jax.lax.top_k(logits, alternatives)
  if alternatives:
    best -= jax.nn.logsumexp(logits, axis=-1, keepdims=True)
  count = answers.count + (is_open & (token != stop))
  return answers.replace(
      token=token, count=count,
      is_open=is_open & (token != stop) & (count < limit),
  ), Chosen(
      token, jnp.where(is_open, log_prob(logits, token), 0.0), likeliest, best
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Beam search (Flamingo B.1.5: three beams, up to the first <EOC>)."""

from collections.abc import Sequence

from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.decoding.prefill import Answering, Decoded, extend
from flamingo_jax.decoding.sampling import without
from flamingo_jax.models import Cache, gather_cache
from flamingo_jax.typing import Array, Bool, Float, Int, Tree


@struct.dataclass
class _Beams:
  """K open beams per row, likeliest first, and the best that has stopped."""

  tokens: Int[Array, 'B K n']
  log_probs: Float[Array, 'B K']  # -inf where there is no beam yet
  parents: Int[Array, 'B K']  # beam of the step before that each one extends
  best: Decoded


def beam_search(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    *,
    beams: int,
    room: int,
    max_new_tokens: int | Int[Array, ''],
    stop: int,
    never: Sequence[int] = (),
) -> Decoded:
  """The likeliest continuation found with K beams (the paper: 3).

  A beam ends when `stop` is among the K likeliest continuations of its row's
  beams. The result is the best of the ended beams and of those that reach
  `max_new_tokens`, the stop included; one beam is greedy decoding. `logits`,
  `cache`, `room` and `never` are as for `greedy`.
  """
  batch = len(logits)

  def go_on(state):
    step, _, beam = state
    # Log-probabilities only fall.
    can_win = beam.log_probs.max(axis=1) > beam.best.log_probs
    return (step < max_new_tokens) & jnp.any(can_win)

  def advance(state):
    step, cache, beam = state
    rows = jnp.arange(batch)[:, None] * beams + beam.parents
    cache = gather_cache(cache, rows.reshape(-1))
    last = jax.lax.dynamic_slice_in_dim(beam.tokens, step - 1, 1, axis=2)
    logits, cache = extend(model, params, last.reshape(-1, 1), cache)
    logits = logits.reshape(batch, beams, -1)
    return step + 1, cache, _grow(step, logits, beam, stop, never)

  beam = _Beams(
      tokens=jnp.full((batch, beams, room), stop, jnp.int32),
      log_probs=jnp.full((batch, beams), -jnp.inf).at[:, 0].set(0.0),
      parents=jnp.zeros((batch, beams), jnp.int32),
      best=Decoded(
          tokens=jnp.full((batch, room), stop, jnp.int32),
          lengths=jnp.zeros(batch, jnp.int32),
          log_probs=jnp.full(batch, -jnp.inf),
      ),
  )
  first = jnp.broadcast_to(logits[:, None], (batch, beams, logits.shape[-1]))
  beam = _grow(jnp.int32(0), first, beam, stop, never)
  cache = gather_cache(cache, jnp.repeat(jnp.arange(batch), beams))
  state = (jnp.int32(1), cache, beam)
  beam = jax.lax.while_loop(go_on, advance, state)[-1]
  reached = Decoded(
      tokens=beam.tokens[:, 0],
      lengths=jnp.full(batch, max_new_tokens, jnp.int32),
      log_probs=beam.log_probs[:, 0],
  )
  return _where(
      reached.log_probs > beam.best.log_probs, reached, beam.best
  )


def _grow(
    step: Int[Array, ''],
    logits: Float[Array, 'B K V'],
    beam: _Beams,
    stop: int,
    never: Sequence[int],
) -> _Beams:
  """One more token per beam: the likeliest stay open or end."""
  batch, beams, vocab = logits.shape
  total = beam.log_probs[..., None] + without(
      jax.nn.log_softmax(logits), never
  )
  # A beam has one way to stop, so 2 K continuations hold K that don't.
  top, index = jax.lax.top_k(total.reshape(batch, -1), 2 * beams)
  tokens, parents = index % vocab, index // vocab
  stops = tokens == stop
  among_best = jnp.arange(2 * beams) < beams

  ended = jnp.where(stops & among_best, top, -jnp.inf)
  first = jnp.argmax(ended, axis=1)[:, None]  # all have the same length
  take = lambda x: jnp.take_along_axis(x, first, axis=1)[:, 0]
  finished = Decoded(
      tokens=_of_parents(beam.tokens, take(parents)[:, None])[:, 0],
      lengths=jnp.full(batch, step, jnp.int32),
      log_probs=take(ended),
  )
  better = finished.log_probs > beam.best.log_probs

  log_probs, kept = jax.lax.top_k(jnp.where(stops, -jnp.inf, top), beams)
  tokens, parents = (
      jnp.take_along_axis(x, kept, axis=1) for x in (tokens, parents)
  )
  grown = _of_parents(beam.tokens, parents).at[:, :, step].set(tokens)
  best = _where(better, finished, beam.best)
  return _Beams(grown, log_probs, parents, best)


def _of_parents(
    tokens: Int[Array, 'B K n'], parents: Int[Array, 'B k']
) -> Int[Array, 'B k n']:
  return jnp.take_along_axis(tokens, parents[..., None], axis=1)


def _where(rows: Bool[Array, 'B'], new: Decoded, old: Decoded) -> Decoded:
  """`new` in the given rows, `old` in the others."""
  def choose(a, b):
    return jnp.where(rows.reshape((-1,) + (1,) * (a.ndim - 1)), a, b)

  return jax.tree.map(choose, new, old)

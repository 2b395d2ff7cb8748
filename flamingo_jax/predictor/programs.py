# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a device computes: `program(model, params, shared, rows)`, whole."""

from collections.abc import Sequence
import functools
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.decoding import Answering
from flamingo_jax.models import Cache, Flamingo, gather_cache, put_row
from flamingo_jax.typing import Array, Bool, Float, Int, Tree, UInt8

_Prompts = tuple[decoding.Prompts, Array]  # and the latents of their media
# The latents of one of the media, and its place. Apart from the others, as it may
# still be encoded while all else is made ready.
_Last = tuple[Float[Array, '1 R Dr'], Int[Array, '1']]
# Of media: pixels, or arrays.
_Frames = UInt8[Array, 'n 1 T h w 3'] | Float[Array, 'n 1 T _ C']
# What all have in front, and the most tokens of an answer.
_Shared = tuple[Cache | None, int | Int[Array, '']]


def see(
    model: Flamingo, params: Tree, shared: None,
    media: tuple[_Frames, Bool[Array, 'n 1 T']],
) -> tuple[Float[Array, 'n R Dr'], Float[Array, 'n Dv']]:
  """The latents of each medium, and the mean of its features.

  The mean is over places, and over the frames that exist.
  """
  del shared
  pixels, mask = media
  apply = functools.partial(model.apply, {'params': params})
  features = apply(pixels, mask, method='features')
  latents = apply(features, mask, method='resample')[:, 0]
  means = features.astype(jnp.float32).mean(axis=3)[:, 0]  # [n T Dv]
  count = mask[:, 0].sum(axis=1, keepdims=True)
  # Frames that exist come first; places of tiles have gaps, and tiles none.
  weights = (jnp.arange(means.shape[1]) < count)[..., None]
  return latents, (means * weights).sum(axis=1) / jnp.maximum(count, 1)


def read_prefix(
    model: Answering, params: Tree, shared: None, rows: _Prompts
) -> Cache:
  """The cache of what prompts begin with."""
  del shared
  return decoding.read_prefix(model, params, *rows)


def read(
    model: Answering, params: Tree, shared: None, rows: tuple[_Prompts, _Last],
    *, room: int,
) -> tuple[Float[Array, '1 V'], Cache]:
  """Reads a prompt into a cache with `room` positions."""
  del shared
  (prompts, latents), last = rows
  return decoding.read_prompts(
      model, params, prompts, _with_last(latents, last),
      room - prompts.tokens.shape[1],
  )


def read_on(
    model: Answering, params: Tree, cache: Cache,
    rows: tuple[_Prompts, _Last, Int[Array, '1']],
) -> tuple[Float[Array, '1 V'], Cache]:
  """Reads more of a prompt, from the given position on."""
  (prompts, latents), last, start = rows
  return decoding.read_on(
      model, params, prompts, _with_last(latents, last),
      cache.replace(position=start),
  )


def _with_last(
    latents: Float[Array, '1 M R Dr'], last: _Last
) -> Float[Array, '1 M R Dr']:
  one, place = last
  return jax.lax.dynamic_update_slice_in_dim(
      latents, one[:, None], place[0], axis=1
  )


def score_read(
    model: Answering, params: Tree,
    shared: tuple[Float[Array, '1 V'], Cache], rows: decoding.Candidates,
) -> Float[Array, '1 parts E']:
  """Scores the steps of candidates behind a prompt, part by part."""
  return _score_parts(model, params, shared, rows)


def _score_parts(
    model: Answering, params: Tree, state: tuple[Float[Array, 'B V'], Cache],
    candidates: decoding.Candidates,  # [B parts ...]
) -> Float[Array, 'B parts E']:
  scores = jax.lax.map(
      lambda part: decoding.score(model, params, *state, part),
      jax.tree.map(lambda x: x.swapaxes(0, 1), candidates),
  )
  return scores.swapaxes(0, 1)


def repeat_row(
    model: Answering, params: Tree, cache: Cache, rows: None, *, count: int
) -> decoding.Answers:
  """Answers that have ended, with room for as much as the cache of one row."""
  del model, params, rows
  none = jnp.zeros(count, jnp.int32)
  return decoding.Answers(
      cache=gather_cache(cache, none), token=none, count=none,
      is_open=none.astype(bool),
  )


@struct.dataclass
class Draws:
  """How the tokens of rows are chosen, and how many; see `sample_token`."""

  seed: Int[Array | np.ndarray, 'B']
  number: Int[Array | np.ndarray, 'B']  # of the answer, as `sample` counts rows
  temperature: Float[Array | np.ndarray, 'B']
  top_k: Int[Array | np.ndarray, 'B']
  top_p: Float[Array | np.ndarray, 'B']
  limit: Int[Array | np.ndarray, 'B']


def put(
    model: Answering, params: Tree, answers: decoding.Answers,
    rows: tuple[
        tuple[Float[Array, '1 V'], Cache], Draws, Int[Array, '1']
    ], *, stop: int, never: Sequence[int], alternatives: int, draws_any: bool,
) -> tuple[decoding.Answers, Int[Array, '1 W']]:
  """Begins an answer in the given row: its first token.

  Returns:
    All answers, and what `told` says of the new one.
  """
  del model, params
  (logits, cache), draws, row = rows
  new, chosen = decoding.begin(
      logits, cache, _choose(draws, never, draws_any), limit=draws.limit,
      stop=stop, alternatives=alternatives,
  )
  insert = lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, row[0], 0)
  return decoding.Answers(
      cache=put_row(answers.cache, new.cache, row[0]),
      token=insert(answers.token, new.token),
      count=insert(answers.count, new.count),
      is_open=insert(answers.is_open, new.is_open),
  ), _pack(new, chosen)


def advance(
    model: Answering, params: Tree, answers: decoding.Answers,
    rows: tuple[Draws, Bool[Array, 'B']], *, steps: int, stop: int,
    never: Sequence[int], alternatives: int, draws_any: bool,
) -> tuple[decoding.Answers, Int[Array, 'B W']]:
  """A few tokens more in every row that is open and still wanted.

  Returns:
    All answers, and what `told` says of them.
  """
  draws, is_wanted = rows
  answers, chosen = decoding.advance(
      model, params, answers.replace(is_open=answers.is_open & is_wanted),
      _choose(draws, never, draws_any), room=steps, steps=steps,
      limit=draws.limit, stop=stop, alternatives=alternatives,
  )
  return answers, _pack(answers, chosen)


def _pack(
    answers: decoding.Answers, chosen: decoding.Chosen
) -> Int[Array, 'B W']:
  """All that is fetched of a call: each array costs a turn of Python's lock."""
  bits = lambda x: jax.lax.bitcast_convert_type(x, jnp.int32)
  columns = (
      answers.count, answers.is_open.astype(jnp.int32), chosen.tokens,
      bits(chosen.log_probs), chosen.likeliest,
      bits(chosen.likeliest_log_probs),
  )
  return jnp.concatenate(
      [x.reshape(len(answers.count), -1) for x in columns], axis=1
  )


def told(
    packed: Int[np.ndarray, 'B W'], alternatives: int
) -> tuple[decoding.Chosen, Int[np.ndarray, 'B'], Bool[np.ndarray, 'B']]:
  """What rows have chosen, how many tokens each has, and whether it goes on."""
  n = (packed.shape[1] - 2) // (2 + 2 * alternatives)
  count, is_open, *arrays = np.split(
      packed, np.cumsum([1, 1, n, n, n * alternatives]), axis=1
  )
  tokens, log_probs, likeliest, scores = arrays
  floats = lambda x: np.ascontiguousarray(x).view(np.float32)
  shape = len(packed), n, alternatives
  return decoding.Chosen(
      tokens, floats(log_probs), likeliest.reshape(shape),
      floats(scores).reshape(shape),
  ), count[:, 0], is_open[:, 0].astype(bool)


def _choose(
    draws: Draws, never: Sequence[int], draws_any: bool
) -> decoding.Choose:
  """At random, which needs all entries sorted; or the likeliest in all rows."""
  if not draws_any:
    return decoding.choose_likeliest(never)
  keys = jax.vmap(
      lambda seed, number: jax.random.fold_in(jax.random.key(seed), number)
  )(draws.seed, draws.number)
  return decoding.choose_at_random(
      keys, never, draws.temperature, draws.top_k, draws.top_p
  )


def greedy(
    model: Answering, params: Tree, shared: _Shared, rows: _Prompts, *,
    room: int, stop: int, never: Sequence[int] = (),
) -> decoding.Decoded:
  """Reads prompts and takes the likeliest token at every step."""
  prefix, limit = shared
  state = decoding.read_prompts(model, params, *rows, room, prefix)
  return decoding.greedy(
      model, params, *state, room=room, max_new_tokens=limit, stop=stop,
      never=never,
  )


def beam_search(
    model: Answering, params: Tree, shared: _Shared, rows: _Prompts, *,
    room: int, beams: int, stop: int, never: Sequence[int] = (),
) -> decoding.Decoded:
  """Reads prompts and searches for their likeliest continuation."""
  prefix, limit = shared
  state = decoding.read_prompts(model, params, *rows, room, prefix)
  return decoding.beam_search(
      model, params, *state, beams=beams, room=room, max_new_tokens=limit,
      stop=stop, never=never,
  )


def sample(
    model: Answering, params: Tree,
    shared: tuple[Cache | None, int | Int[Array, ''], Array, dict[str, Any]],
    rows: tuple[_Prompts, Int[Array, 'B']], *, room: int, stop: int,
    never: Sequence[int] = (),
) -> decoding.Decoded:
  """Reads prompts and draws tokens, of each row with a key of its number.

  `shared` ends with the key that those of rows are made from, and the options
  of `decoding.sample`.
  """
  (prefix, limit, key, options), (prompts, numbers) = shared, rows
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers)
  state = decoding.read_prompts(model, params, *prompts, room, prefix)
  return decoding.sample(
      model, params, *state, keys, room=room, max_new_tokens=limit, stop=stop,
      never=never, **options,
  )


def score(
    model: Answering, params: Tree, prefix: Cache | None,
    rows: tuple[_Prompts, decoding.Candidates], *, room: int, groups: int = 1,
) -> Float[Array, 'B parts E']:
  """Reads prompts and scores the steps of candidates, part by part.

  `groups` rows at once, one of each of as many parts. The fewer, the slower,
  but products of another shape are rounded differently, and where batches are
  not all of one shape, a likelihood should not hang on what else is asked.
  """
  arrays, structure = jax.tree.flatten(rows)
  # Rows of a part lie together: [B] -> [B / groups, groups].
  arrays = [
      x.reshape(groups, len(x) // groups, *x.shape[1:]).swapaxes(0, 1)
      for x in arrays
  ]

  def score_row(row):
    prompts, candidates = jax.tree.unflatten(structure, row)
    state = decoding.read_prompts(model, params, *prompts, room, prefix)
    return _score_parts(model, params, state, candidates)

  scores = jax.lax.map(score_row, arrays).swapaxes(0, 1)
  return scores.reshape(-1, *scores.shape[2:])

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a device computes: `program(model, params, shared, rows)`, whole."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from flamingo_jax import decoding
from flamingo_jax.decoding import Answering
from flamingo_jax.models import Cache, Flamingo
from flamingo_jax.typing import Array, Bool, Float, Int, Tree, UInt8

_Prompts = tuple[decoding.Prompts, Array]  # and the latents of their media
# What all have in front, and the most tokens of an answer.
_Shared = tuple[Cache | None, int | Int[Array, '']]


def encode(
    model: Flamingo, params: Tree, shared: None,
    media: tuple[UInt8[Array, 'n 1 T h w 3'], Bool[Array, 'n 1 T']],
) -> Float[Array, 'n R Dr']:
  """The latents of each medium."""
  del shared
  return decoding.encode_media(model, params, *media)[:, 0]


def mean_features(
    model: Flamingo, params: Tree, shared: None,
    media: tuple[UInt8[Array, 'n 1 T h w 3'], Bool[Array, 'n 1 T']],
) -> Float[Array, 'n Dv']:
  """Features of the frames that exist, their mean over frames and places."""
  del shared
  pixels, mask = media
  features = model.apply({'params': params}, pixels, mask, method='features')
  features = features.astype(jnp.float32).mean(axis=3)[:, 0]  # [n T Dv]
  count = mask[:, 0].sum(axis=1, keepdims=True)
  # Frames that exist come first; places of tiles have gaps, and tiles none.
  weights = (jnp.arange(features.shape[1]) < count)[..., None]
  count = jnp.maximum(count, 1)
  return (features * weights).sum(axis=1) / count


def read_prefix(
    model: Answering, params: Tree, shared: None, rows: _Prompts
) -> Cache:
  """The cache of what prompts begin with."""
  del shared
  return decoding.read_prefix(model, params, *rows)


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
    rows: tuple[_Prompts, Int[Array, 'B C n'], Int[Array, 'B C']], *,
    room: int, at_once: int, groups: int = 1,
) -> Float[Array, 'B C']:
  """Reads prompts and scores candidates, C / at_once times `at_once`.

  One row after the other (of each of `groups` parts of them), which costs some
  speed: products of another shape are rounded differently, and a likelihood
  should not hang on what else is asked.
  """
  arrays, structure = jax.tree.flatten(rows)
  # Rows of a part lie together: [B] -> [B / groups, groups].
  arrays = [
      x.reshape(groups, -1, *x.shape[1:]).swapaxes(0, 1) for x in arrays
  ]

  def score_row(row):
    prompts, *candidates = jax.tree.unflatten(structure, row)
    state = decoding.read_prompts(model, params, *prompts, room, prefix)
    parts = [  # [C / at_once, groups, at_once, ...]
        x.reshape(groups, -1, at_once, *x.shape[2:]).swapaxes(0, 1)
        for x in candidates
    ]
    scores = jax.lax.map(
        lambda part: decoding.score(model, params, *state, *part), parts
    )
    return scores.swapaxes(0, 1).reshape(groups, -1)

  scores = jax.lax.map(score_row, arrays).swapaxes(0, 1)
  return scores.reshape(-1, scores.shape[-1])

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What self-attention knows of where tokens stand: a module of two methods.

`at` is given the queries and keys of new tokens and returns them as they are
compared and as the cache holds them, with what it holds of positions beside;
`scores` are those of queries and the keys that they may see. Their parameters lie
among those of self-attention.
"""

import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.models.attention import HeadsProjection, dot_scores
from flamingo_jax.models.branches import (
    Branches,
    Segments,
    keys_at,
    stand_at,
)
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.layers import parameter
from flamingo_jax.sharding import is_for_one_cpu
from flamingo_jax.typing import Array, Float, Int


def sinusoids(length: int, width: int) -> Float[Array, 'S D']:
  """Sine and cosine features of the distances length - 1 .. 0."""
  rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
  angles = jnp.arange(length)[::-1, None] * rates
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def align_distances(
    x: Float[Array, '_ _ L N'], first: Int[Array, 'B'] | int, keys: int,
    rows: int = 0,
) -> Float[Array, '_ _ L S']:
  """Turns a last axis of distances into a last axis of S keys.

  Distances fall from N - 1 to 0. Query l of row b stands at p = first[b] + l,
  before N, so its score for key s is the one of distance p - s. With N = S = 3
  and first = 0, from distances to keys:

    l=0  a2 a1 a0        a0  .  .
    l=1  b2 b1 b0   ->   b1 b0  .       . = after the query, masked by callers
    l=2  c2 c1 c0        c2 c1 c0

  Each row is the one above moved by one, which a reshape does without gather:
  where rows of N become rows of N - 1, each begins one further to the left.

  Args:
    x: scores by distance.
    first: where each row's first query stands, of keys that stand at 0 .. S-1.
    keys: S, at most N; if fewer, all queries stand behind them.
    rows: which axis is B.
  """
  length, size = x.shape[-2:]
  start = size - 1 - first
  if keys == size:
    # To the right of distance 0, what no query may see.
    x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, size)))
    size *= 2
  x = x.reshape(*x.shape[:2], -1)[..., : length * (size - 1)]
  x = x.reshape(*x.shape[:2], length, size - 1)
  if isinstance(first, int):
    return x[..., start : start + keys]
  return jax.vmap(
      lambda row, at: jax.lax.dynamic_slice_in_dim(row, at, keys, 2),
      in_axes=(rows, 0), out_axes=rows,
  )(x, start)


def pick_distances(
    x: Float[Array, '_ _ L N'], at: Int[Array, '#B L'], keys: Int[Array, '#B S'],
    rows: int = 0,
) -> Float[Array, '_ _ L S']:
  """As `align_distances`, of queries and keys that stand anywhere.

  What a query may not see is of any distance.
  """
  distance = jnp.maximum(at[..., None] - keys[:, None], 0)
  place = jnp.expand_dims(x.shape[-1] - 1 - distance, 1 - rows)
  return jnp.take_along_axis(x, place, axis=-1)


class Relative(nn.Module):
  """Relative positions of Transformer-XL (Dai et al. 2019, section 3.3).

    score(l, s) = (q_l + u) . k_s + (q_l + v) . W_kR R(l - s)

  scaled by K^-0.5, with R(l - s) the sinusoid of the distance: the encoding of
  Gopher and Chinchilla. W_kR is the 13th D x D matrix of a layer in Chinchilla's
  parameter counts.
  """

  heads: int
  head_size: int
  width: int
  dtype: str = 'float32'

  def setup(self):
    """Its parameters: W_kR, u and v."""
    self.relative = HeadsProjection(self.heads, self.head_size, self.dtype)
    bias = lambda name: parameter(
        self, name, nn.initializers.zeros, ('heads', 'kv'),
        (self.heads, self.head_size),
    )
    self.content_bias = bias('content_bias')
    self.position_bias = bias('position_bias')

  def at(
      self,
      queries: Float[Array, 'B H L K'],
      keys: Float[Array, 'B H L K'],
      first: Int[Array, 'B'] | int,
      room: int,
      kind: Any,
      segments: Segments = None,
  ) -> tuple[Array, Array, Float[Array, 'H N K'] | None]:
    """Those of the L tokens from `first` on as they are, of N in all.

    Beside them W_kR R of the distances N-1 .. 0. These are projected where rows
    begin, at an int; for each token it would cost N x D^2.
    """
    del kind, segments  # there is one
    if not isinstance(first, int):
      return queries, keys, None
    distances = sinusoids(room, self.width).astype(self.dtype)
    return queries, keys, self.relative(distances)

  def scores(
      self,
      queries: Float[Array, 'B H L K'],
      seen: LayerCache,
      first: Int[Array, 'B'] | int,
      segments: Segments = None,
  ) -> tuple[Float[Array, 'B H L S'], Float[Array, 'H B L P'] | None]:
    """Of the L tokens from `first` on: each row's own keys, then shared ones."""
    by_content, by_distance = (
        queries + bias.astype(self.dtype)[:, None]
        for bias in (self.content_bias, self.position_bias)
    )

    def scores(keys, distances, align, order):
      y = dot_scores(by_distance, distances, order)
      # In the dtype of activations: rearranging costs a dozen passes over
      # memory, a tenth of a step's time on TPUs in float32.
      y = align(y.astype(self.dtype), rows=order.index('B'))
      return dot_scores(by_content, keys, order) + y

    length, size, distances = queries.shape[2], seen.keys.shape[-2], seen.relative
    if isinstance(segments, Branches):
      at = stand_at(first, length, segments)
      align = lambda start, keys, segments: functools.partial(
          pick_distances, at=at, keys=keys_at(first, start, keys, segments)
      )
      own = distances
    else:
      align = lambda start, keys, _: functools.partial(
          align_distances, first=first - start, keys=keys
      )
      own = distances[:, -size:]
      if isinstance(first, int):
        distances = distances[:, -(first + length) :]
    own = scores(seen.keys, own, align(seen.start, size, segments), 'BHLS')
    if seen.shared is None:
      return own, None
    shared = seen.shared.keys
    return own, scores(
        shared, distances, align(0, shared.shape[-2], None), 'HBLS'
    )


class Absent(nn.Module):
  """Nothing, in self-attention; 'learned' ones are added to the embeddings."""

  def at(
      self,
      queries: Float[Array, 'B H L K'],
      keys: Float[Array, 'B J L K'],
      first: Int[Array, 'B'] | int,
      room: int,
      kind: Int[Array, ''] | int,
      segments: Segments = None,
  ) -> tuple[Array, Array, None]:
    """Both as they are."""
    del first, room, kind, segments
    return queries, keys, None

  def scores(
      self,
      queries: Float[Array, 'B J N K'],
      seen: LayerCache,
      first: Int[Array, 'B'] | int,
      segments: Segments = None,
  ) -> tuple[Float[Array, 'B J N S'], Float[Array, 'J B N P'] | None]:
    """Of the L tokens from `first` on: each row's own keys, then shared ones.

    N = g L queries of the g heads that share one of the J heads of keys.
    """
    del first, segments
    own = dot_scores(queries, seen.keys)
    if seen.shared is None:
      return own, None
    return own, dot_scores(queries, seen.shared.keys, 'HBLS')


class Rotary(Absent):
  """Pairs of a head, of its halves, turned by angles that grow with position.

  RoFormer (Su et al. 2021), in the order of GPT-NeoX; `LayerConfig` has the
  kinds of a model, of which each layer has one.
  """

  layer: LayerConfig

  def at(
      self,
      queries: Float[Array, 'B H L K'],
      keys: Float[Array, 'B J L K'],
      first: Int[Array, 'B'] | int,
      room: int,
      kind: Int[Array, ''] | int,
      segments: Segments = None,
  ) -> tuple[Array, Array, None]:
    """Both turned."""
    del room
    length, size = queries.shape[2:]
    is_known = isinstance(first, int) and isinstance(kind, int)
    # XLA for CPUs computes them anew for each head, forwards and backwards.
    xp = np if is_known and is_for_one_cpu() else jnp
    rates = xp.asarray(rotary_rates(self.layer, size))[kind]
    at = (
        xp.reshape(first, (-1, 1)) + xp.arange(length) if xp is np
        else stand_at(first, length, segments)
    )
    # B 1 L K/2
    angles = (at.astype(jnp.float32)[..., None] * rates)[:, None]
    turns = jnp.asarray(xp.cos(angles)), jnp.asarray(xp.sin(angles))
    if self.layer.rotary_scale != 1:
      scale = jnp.asarray(rotary_scales(self.layer))[kind]
      turns = tuple(x * scale for x in turns)
    return _turn(queries, *turns), _turn(keys, *turns), None


def rotary_rates(layer: LayerConfig, size: int) -> Float[np.ndarray, 'kinds _']:
  """Radians per position of each pair of a head of `size`, by kind."""
  size = int(size * layer.rotary_share)
  rows = []
  of_kinds = zip(layer.rotary_thetas, layer.rotary_factors)
  for kind, (theta, factor) in enumerate(of_kinds):
    rates = np.zeros(size // 2)
    if theta:
      rates = theta ** (-np.arange(0, size, 2) / size) / factor
      if layer.rotary_llama3:
        rates = _slow_down(rates, *layer.rotary_llama3)
      if layer.rotary_divisors and kind == 0:
        rates = rates / np.array(layer.rotary_divisors)
    rows.append(rates)
  return np.array(rows, np.float32)


def rotary_scales(layer: LayerConfig) -> Float[np.ndarray, 'kinds']:
  """What all that is turned is multiplied by, by kind."""
  others = [1.0] * (len(layer.rotary_thetas) - 1)
  return np.array([layer.rotary_scale, *others], np.float32)


def _slow_down(
    rates: Float[np.ndarray, 'n'], factor: float, low: float, high: float,
    context: float,
) -> Float[np.ndarray, 'n']:
  """Llama 3's: `factor` slower are pairs that turn less than `low` times in a
  context, none that turns more than `high` times; between is between.
  """
  turns = context * rates / (2 * np.pi)
  share = np.clip((turns - low) / (high - low), 0, 1)
  return rates * (share + (1 - share) / factor)


def _turn(
    x: Float[Array, 'B H L K'],
    cos: Float[Array, '#B 1 L N'], sin: Float[Array, '#B 1 L N'],
) -> Float[Array, 'B H L K']:
  size = cos.shape[-1]
  a, b = (part.astype(jnp.float32)
          for part in (x[..., :size], x[..., size : 2 * size]))
  turned = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return jnp.concatenate(
      [turned.astype(x.dtype), x[..., 2 * size :]], axis=-1
  )


class Alibi(Absent):
  """Scores fall with the distance, at a slope for each head (Press et al. 2021).

  As MPT has it: slopes 2^(-8 h / H) of a power of two of heads, of others every
  second one of the next power.
  """

  heads: int

  def scores(
      self,
      queries: Float[Array, 'B J N K'],
      seen: LayerCache,
      first: Int[Array, 'B'] | int,
      segments: Segments = None,
  ) -> tuple[Float[Array, 'B J N S'], Float[Array, 'J B N P'] | None]:
    """As Absent, less what the distance takes away."""
    own, before = super().scores(queries, seen, first)
    group = self.heads // own.shape[1]
    at = stand_at(first, own.shape[2] // group, segments)

    def fall(keys):
      slopes = jnp.asarray(alibi_slopes(self.heads)).reshape(-1, group, 1, 1)
      distance = at[:, None, None, :, None] - keys[:, None, None, None]
      y = slopes * distance  # B J g L S
      return y.reshape(*y.shape[:2], -1, keys.shape[-1])

    own -= fall(keys_at(first, seen.start, own.shape[-1], segments))
    if before is not None:
      before -= jnp.moveaxis(fall(jnp.arange(before.shape[-1])[None]), 1, 0)
    return own, before


def alibi_slopes(heads: int) -> Float[np.ndarray, 'H']:
  """Of each head; the first falls the fastest."""
  power = 1 << (heads - 1).bit_length()
  slopes = 2.0 ** (-8 * np.arange(1, power + 1) / power)
  if power != heads:
    slopes = np.concatenate([slopes[1::2], slopes[::2]])
  return slopes[:heads].astype(np.float32)


def make(config: DecoderConfig, width: int, dtype: str) -> nn.Module:
  """The positions of a model's self-attention."""
  kind = config.layer.positions
  if kind == 'relative':
    return Relative(config.heads, config.head_size, width, dtype)
  if kind == 'rotary':
    return Rotary(config.layer)
  return Alibi(config.heads) if kind == 'alibi' else Absent()

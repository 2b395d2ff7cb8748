# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What self-attention knows of where tokens stand: a module of two methods.

`keep` is given the keys of new tokens and returns them as the cache holds them,
with what it holds of positions beside; `scores` are those of queries and the keys
that they may see. Their parameters lie among those of self-attention.
"""

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models.attention import HeadsProjection, dot_scores
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.layers import partitioned
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
    bias = lambda name: self.param(
        name, partitioned(nn.initializers.zeros, 'heads', 'kv'),
        (self.heads, self.head_size), jnp.float32,
    )
    self.content_bias = bias('content_bias')
    self.position_bias = bias('position_bias')

  def keep(
      self,
      keys: Float[Array, 'B H L K'],
      first: Int[Array, 'B'] | int,
      room: int,
  ) -> tuple[Float[Array, 'B H L K'], Float[Array, 'H N K'] | None]:
    """What the cache holds of the L tokens from `first` on, of N in all.

    Their keys as they are, and W_kR R of the distances N-1 .. 0. These are
    projected where rows begin, at an int; for each token it would cost N x D^2.
    """
    if not isinstance(first, int):
      return keys, None
    return keys, self.relative(sinusoids(room, self.width).astype(self.dtype))

  def scores(
      self,
      queries: Float[Array, 'B H L K'],
      seen: LayerCache,
      first: Int[Array, 'B'] | int,
  ) -> tuple[Float[Array, 'B H L S'], Float[Array, 'H B L P'] | None]:
    """Of the L tokens from `first` on: each row's own keys, then shared ones."""
    by_content, by_distance = (
        queries + bias.astype(self.dtype)[:, None]
        for bias in (self.content_bias, self.position_bias)
    )

    def scores(keys, distances, first, order):
      y = dot_scores(by_distance, distances, order)
      # In the dtype of activations: rearranging costs a dozen passes over
      # memory, a tenth of a step's time on TPUs in float32.
      y = align_distances(
          y.astype(self.dtype), first, keys.shape[-2], order.index('B')
      )
      return dot_scores(by_content, keys, order) + y

    size = seen.keys.shape[-2]
    own = scores(
        seen.keys, seen.relative[:, -size:], first - seen.start, 'BHLS'
    )
    if seen.shared is None:
      return own, None
    distances = seen.relative
    if isinstance(first, int):
      distances = distances[:, -(first + queries.shape[2]) :]
    return own, scores(seen.shared.keys, distances, first, 'HBLS')

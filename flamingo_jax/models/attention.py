# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Attention over explicit keys and values, and relative self-attention.

The key-value cache is an argument and a result, never a mutable collection.
"""

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.models.layers import Einsum, partitioned
from flamingo_jax.typing import Array, Bool, Float, Int


def attend(
    scores: Float[Array, 'B H L S'],
    values: Float[Array, 'B H S K'],
    mask: Bool[Array, '#B #L S'],
) -> Float[Array, 'B H L K']:
  """Softmax over the visible keys in float32, then the mix of their values.

  A query that sees no key gets exactly 0, in value and in gradient.
  """
  mask = mask[:, None]
  scores = jnp.where(mask, scores.astype(jnp.float32), -1e30)
  weights = jax.nn.softmax(scores, axis=-1)
  weights = jnp.where(mask, weights, 0.0)
  return jnp.einsum('BHLS,BHSK->BHLK', weights.astype(values.dtype), values)


def dot_scores(
    queries: Float[Array, 'B H L K'], keys: Float[Array, '*B H S K']
) -> Float[Array, 'B H L S']:
  """Scaled dot products in float32; keys may be shared by the batch."""
  scale = queries.shape[-1] ** -0.5
  equation = 'BHLK,BHSK->BHLS' if keys.ndim == 4 else 'BHLK,HSK->BHLS'
  return scale * jnp.einsum(
      equation, queries, keys, preferred_element_type=jnp.float32
  )


class HeadsProjection(nn.Module):
  """D -> H heads of size K, heads before positions.

  In this order the products of attention read keys and values in the order they
  lie in, which decoding over a long cache would otherwise rearrange per token.
  """

  heads: int
  head_size: int
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, '*B L D']) -> Float[Array, '*B H L K']:
    return Einsum(
        '...LD,DHK->...HLK', (x.shape[-1], self.heads, self.head_size),
        ('embed', 'heads', 'kv'), dtype=self.dtype, name='map',
    )(x)


class OutputProjection(nn.Module):
  """H heads of size K -> D."""

  width: int
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, 'B H L K']) -> Float[Array, 'B L D']:
    return Einsum(
        'BHLK,HKD->BLD', (x.shape[1], x.shape[3], self.width),
        ('heads', 'kv', 'embed'), in_axes=2, dtype=self.dtype, name='map',
    )(x)


@struct.dataclass
class LayerCache:
  """Keys and values of one self-attention layer, room for S positions."""

  keys: Float[Array, '*stack B H S K']
  values: Float[Array, '*stack B H S K']
  # Projected distances 0 .. S-1, the same for every row; None until filled.
  relative: Float[Array, '*stack H S K'] | None = None


def sinusoids(length: int, width: int) -> Float[Array, 'S D']:
  """Sine and cosine features of the distances 0 .. length - 1."""
  rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
  angles = jnp.arange(length)[:, None] * rates
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def align_distances(
    x: Float[Array, 'B H L S'], position: Int[Array, 'B'] | None
) -> Float[Array, 'B H L S']:
  """Turns a last axis of distances into a last axis of keys.

  Query l of row b stands at p = position[b] + l (None: p = l), so its score for
  key s is x[b, h, l, p - s]. With S = 3, from distances to keys:

    l=0  a0 a1 a2        a0  .  .
    l=1  b0 b1 b2   ->   b1 b0  .       . = after the query, masked by callers
    l=2  c0 c1 c2        c2 c1 c0

  Every row is the one above moved by one, which a reshape does without gather.
  """
  batch, heads, length, size = x.shape
  x = jnp.pad(x[..., ::-1], ((0, 0), (0, 0), (0, 0), (0, size)))
  x = x.reshape(batch, heads, -1)[..., : length * (2 * size - 1)]
  x = x.reshape(batch, heads, length, 2 * size - 1)
  if position is None:
    return x[..., size - 1 :]
  return jax.vmap(
      lambda row, p: jax.lax.dynamic_slice_in_dim(row, size - 1 - p, size, 2)
  )(x, position)


def causal_mask(
    length: int, size: int, position: Int[Array, 'B'] | None
) -> Bool[Array, '#B L S']:
  """Query l stands at position[b] + l (None: at l) and sees keys up to there."""
  start = jnp.zeros((1,), jnp.int32) if position is None else position
  queries = start[:, None] + jnp.arange(length)
  return jnp.arange(size) <= queries[..., None]


def write_rows(
    buffer: Float[Array, 'B H S K'],
    rows: Float[Array, 'B H L K'],
    position: Int[Array, 'B'],
) -> Float[Array, 'B H S K']:
  """The buffer with row b's entries replaced from position[b] onwards."""
  return jax.vmap(
      lambda old, new, p: jax.lax.dynamic_update_slice_in_dim(old, new, p, 1)
  )(buffer, rows.astype(buffer.dtype), position)


class RelativeSelfAttention(nn.Module):
  """Causal self-attention with Transformer-XL relative positions.

  score(l, s) = (q_l + u) . k_s + (q_l + v) . W_r sinusoid(l - s), scaled by
  K^-0.5 (Dai et al. 2019, the encoding of Gopher and Chinchilla). W_r is the
  13th D x D matrix of a layer in Chinchilla's parameter counts.
  """

  heads: int
  head_size: int
  dtype: str = 'float32'

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      cache: LayerCache | None = None,
      position: Int[Array, 'B'] | None = None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """Attention of L new tokens.

    Args:
      x: the new tokens.
      cache: None for a full forward pass without one.
      position: where row b continues its cache. None: the tokens are 0 .. L-1,
        and a cache that is given is filled from its start.

    Returns:
      The attention output, and the cache with the new tokens written to it.
    """
    project = lambda name: HeadsProjection(
        self.heads, self.head_size, self.dtype, name=name
    )
    queries, keys, values = (
        nn.with_logical_constraint(
            project(name)(x), ('batch', 'heads', 'length', 'kv')
        )
        for name in ('query', 'key', 'value')
    )
    if cache is not None:
      start = jnp.zeros(len(x), jnp.int32) if position is None else position
      cache = cache.replace(
          keys=write_rows(cache.keys, keys, start),
          values=write_rows(cache.values, values, start),
      )
    to_relative = project('relative')
    if position is None:
      size = x.shape[1] if cache is None else cache.keys.shape[2]
      features = sinusoids(size, x.shape[-1])
      relative = to_relative(features.astype(self.dtype))
      if cache is not None:
        # Projected once: doing it per token would cost S x D^2 each time.
        cache = cache.replace(relative=relative)
        relative = relative[:, : x.shape[1]]
    else:
      keys, values, relative = cache.keys, cache.values, cache.relative
    bias = lambda name: self.param(
        name, partitioned(nn.initializers.zeros, 'heads', 'kv'),
        (self.heads, self.head_size), jnp.float32,
    ).astype(self.dtype)[:, None]
    scores = dot_scores(queries + bias('content_bias'), keys)
    distances = dot_scores(queries + bias('position_bias'), relative)
    scores += align_distances(distances, position)
    mask = causal_mask(x.shape[1], keys.shape[2], position)
    y = attend(scores, values, mask)
    return OutputProjection(x.shape[-1], self.dtype, name='out')(y), cache

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Attention over explicit keys and values: heads, scores, mask, cache.

The key-value cache is an argument and a result, never a mutable collection.
"""

from collections.abc import Callable

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models.layers import Einsum, axis_of, split_text
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int


def attend(
    scores: Float[Array, 'B H L S'],
    values: Float[Array, 'B H _ K'],
    mask: Bool[Array, '#B #L S'],
) -> Float[Array, 'B H L K']:
  """Softmax over the visible keys in float32, then the mix of their values.

  A query that sees no key gets exactly 0, in value and in gradient.
  """
  mask = mask[:, None]
  scores = jnp.where(mask, scores.astype(jnp.float32), -1e30)
  weights = jax.nn.softmax(scores, axis=-1)
  weights = jnp.where(mask, weights, 0.0)
  weights = weights.astype(values.dtype)
  return jnp.einsum('BHLS,BHSK->BHLK', weights, values)


def attend_behind(
    shared_scores: Float[Array, 'H B L P'],
    shared_values: Float[Array, 'H P K'],
    scores: Float[Array, 'B H L S'],
    values: Float[Array, 'B H S K'],
    mask: Bool[Array, '#B L S'],
    shared_mask: Bool[Array, '#B L P'] | None = None,
) -> Float[Array, 'B H L K']:
  """The same with P keys in front that all rows share, and see if unmasked.

  Heads come first, as in the products with what is shared: those are then one
  matrix for all rows, and nothing as large as the scores is rearranged.
  """
  scores = jnp.where(mask[:, None], scores.astype(jnp.float32), -1e30)
  scores = jnp.moveaxis(scores, 1, 0)
  if shared_mask is not None:
    shared_scores = jnp.where(shared_mask, shared_scores, -1e30)
  # Never of masked keys alone, so that these weigh exactly 0.
  highest = jnp.maximum(*(
      x.max(axis=-1, keepdims=True) for x in (shared_scores, scores)
  ))
  first, own = jnp.exp(shared_scores - highest), jnp.exp(scores - highest)
  total = first.sum(axis=-1, keepdims=True) + own.sum(axis=-1, keepdims=True)
  dtype = values.dtype
  y = jnp.einsum(
      'HBLP,HPK->HBLK', first.astype(dtype), shared_values,
      preferred_element_type=jnp.float32,
  ) + jnp.einsum(
      'HBLS,BHSK->HBLK', own.astype(dtype), values,
      preferred_element_type=jnp.float32,
  )
  return jnp.moveaxis((y / total).astype(dtype), 0, 1)


def dot_scores(
    queries: Float[Array, 'B H L K'],
    keys: Float[Array, '*B H S K'],
    order: str = 'BHLS',
) -> Float[Array, '_ _ L S']:
  """Scaled dot products in float32; keys may be shared by the batch.

  'HBLS' as the order of the result is the one that shared keys give at once.
  """
  scale = queries.shape[-1] ** -0.5
  axes = 'BHSK'[4 - keys.ndim :]
  return scale * jnp.einsum(
      f'BHLK,{axes}->{order}', queries, keys,
      preferred_element_type=jnp.float32,
  )


def causal_mask(
    length: int, size: int, first: Int[Array, 'B'] | int
) -> Bool[Array, '#B L S']:
  """Query l stands at first[b] + l and sees keys up to there."""
  queries = jnp.reshape(first, (-1, 1)) + jnp.arange(length)
  return jnp.arange(size) <= queries[..., None]


class HeadsProjection(nn.Module):
  """D -> H heads of size K, heads before positions.

  In this order the products of attention read keys and values in the order they
  lie in, which decoding over a long cache would otherwise rearrange per token.
  """

  heads: int
  head_size: int
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis, if there is one
  axis: str = 'heads'  # logical name of H; of keys and values 'kv_heads'
  bias: bool = False
  # What becomes of all heads as one, before they are parted; None: nothing.
  as_one: Callable[[Array], Array] | None = None

  @nn.compact
  def __call__(self, x: Float[Array, '*B L D']) -> Float[Array, '*B H L K']:
    # One axis of the kernel for heads and K: with two, TPUs rearrange it before
    # every product.
    y = Einsum(
        '...LD,DF->...LF', (x.shape[-1], self.heads * self.head_size),
        (axis_of(self.rows, 'embed'), self.axis), dtype=self.dtype,
        bias=self.bias, name='map',
    )(x)
    if self.as_one is not None:
      y = self.as_one(y)
    y = y.reshape(*y.shape[:-1], self.heads, self.head_size)
    rows = (self.rows,) * (x.ndim - 2)
    return constrain(jnp.moveaxis(y, -2, -3), *rows, self.axis, 'length', 'kv')


class OutputProjection(nn.Module):
  """H heads of size K -> D."""

  width: int
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis
  bias: bool = False

  @nn.compact
  def __call__(self, x: Float[Array, 'B H L K']) -> Float[Array, 'B L D']:
    # Of its gradient too, which otherwise comes split as the text is.
    axis, embed = axis_of(self.rows, 'heads'), axis_of(self.rows, 'embed')
    x = constrain(x, self.rows, axis, 'length', 'kv')
    x = Einsum(
        'BHLK,HKD->BLD', (x.shape[1], x.shape[3], self.width),
        (axis, 'kv', embed), in_axes=2, dtype=self.dtype, bias=self.bias,
        name='map',
    )(x)
    return split_text(x, self.rows)

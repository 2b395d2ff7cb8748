# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Attention over explicit keys and values, and relative self-attention.

The key-value cache is an argument and a result, never a mutable collection.
"""

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.models.layers import Einsum, partitioned, split_text
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
) -> Float[Array, 'B H L K']:
  """The same with P keys in front that all rows share and see.

  Heads come first, as in the products with what is shared: those are then one
  matrix for all rows, and nothing as large as the scores is rearranged.
  """
  scores = jnp.where(mask[:, None], scores.astype(jnp.float32), -1e30)
  scores = jnp.moveaxis(scores, 1, 0)
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


class HeadsProjection(nn.Module):
  """D -> H heads of size K, heads before positions.

  In this order the products of attention read keys and values in the order they
  lie in, which decoding over a long cache would otherwise rearrange per token.
  """

  heads: int
  head_size: int
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis, if there is one

  @nn.compact
  def __call__(self, x: Float[Array, '*B L D']) -> Float[Array, '*B H L K']:
    # One axis of the kernel for heads and K: with two, TPUs rearrange it before
    # every product.
    y = Einsum(
        '...LD,DF->...LF', (x.shape[-1], self.heads * self.head_size),
        ('embed', 'heads'), dtype=self.dtype, name='map',
    )(x)
    y = y.reshape(*y.shape[:-1], self.heads, self.head_size)
    rows = (self.rows,) * (x.ndim - 2)
    return constrain(jnp.moveaxis(y, -2, -3), *rows, 'heads', 'length', 'kv')


class OutputProjection(nn.Module):
  """H heads of size K -> D."""

  width: int
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis

  @nn.compact
  def __call__(self, x: Float[Array, 'B H L K']) -> Float[Array, 'B L D']:
    # Of its gradient too, which otherwise comes split as the text is.
    x = constrain(x, self.rows, 'heads', 'length', 'kv')
    x = Einsum(
        'BHLK,HKD->BLD', (x.shape[1], x.shape[3], self.width),
        ('heads', 'kv', 'embed'), in_axes=2, dtype=self.dtype, name='map',
    )(x)
    return split_text(x, self.rows)


@struct.dataclass
class SharedKeys:
  """Keys and values of P tokens that all rows begin with, kept once."""

  keys: Float[Array, '*stack H P K']
  values: Float[Array, '*stack H P K']


@struct.dataclass
class LayerCache:
  """Keys and values of one self-attention layer, room for S positions.

  A layer reads it and returns the entries of its new tokens alone, in another
  one: a stack of caches that every layer wrote to would be copied per token.
  """

  keys: Float[Array, '*stack B H S K']
  values: Float[Array, '*stack B H S K']
  # Projected distances N-1 .. 0, the same for every row; None until filled, and
  # among the entries of tokens that came after.
  relative: Float[Array, '*stack H N K'] | None = None
  shared: SharedKeys | None = None  # of tokens in front of all rows' own

  @property
  def start(self) -> int:
    """P, the position of each row's first token of its own."""
    return 0 if self.shared is None else self.shared.keys.shape[-2]

  def append(
      self, new: 'LayerCache', position: Int[Array, 'B'] | None
  ) -> 'LayerCache':
    """With the entries of L new tokens, row b's from position[b] onwards.

    None puts all at `start`, with the distances, which then are new too.
    """
    def write(
        old: Float[Array, '*stack B H S K'],
        entries: Float[Array, '*stack B H L K'],
    ) -> Float[Array, '*stack B H S K']:
      if position is None:
        return jax.lax.dynamic_update_slice(old, entries, (0,) * old.ndim)
      # Indexed in one step, so that the stack stays where it lies.
      rows = jnp.arange(len(position))[:, None]
      places = jnp.arange(entries.shape[-2]) - self.start
      places += position[:, None]
      entries = jnp.moveaxis(entries, (-4, -2), (0, 1))
      return old.at[..., rows, :, places, :].set(
          entries, unique_indices=True, mode='promise_in_bounds'
      )

    return self.replace(
        keys=write(self.keys, new.keys),
        values=write(self.values, new.values),
        relative=new.relative if position is None else self.relative,
    )


def sinusoids(length: int, width: int) -> Float[Array, 'S D']:
  """Sine and cosine features of the distances length - 1 .. 0."""
  rates = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
  angles = jnp.arange(length)[::-1, None] * rates
  return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def align_distances(
    x: Float[Array, 'B H L S'], position: Int[Array, 'B'] | None
) -> Float[Array, 'B H L S']:
  """Turns a last axis of distances into a last axis of keys.

  Distances fall from S - 1 to 0. Query l of row b stands at p = position[b] + l
  (None: p = l), so its score for key s is the one of distance p - s. With S = 3,
  from distances to keys:

    l=0  a2 a1 a0        a0  .  .
    l=1  b2 b1 b0   ->   b1 b0  .       . = after the query, masked by callers
    l=2  c2 c1 c0        c2 c1 c0

  Every row is the one above moved by one, which a reshape does without gather.
  """
  size = x.shape[-1]
  # To the right of distance 0, what no query may see.
  x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, size)))
  start = 0 if position is None else position
  return _shift(x, size - 1 - start, size, rows=0)


def align_shared(
    x: Float[Array, 'H B L N'], position: Int[Array, 'B'] | None, count: int
) -> Float[Array, 'H B L P']:
  """The same for P = count keys behind which all queries stand.

  Query l of row b stands at position[b] + l (None: count + l), none at N or
  later. No distance is negative, so nothing has to be padded.
  """
  start = count if position is None else position
  return _shift(x, x.shape[-1] - 1 - start, count, rows=1)


def _shift(
    x: Float[Array, '_ _ L N'], first: Int[Array, 'B'] | int, count: int,
    rows: int,
) -> Float[Array, '_ _ L P']:
  """Entries first - l .. first - l + count - 1 of the last axis, for each l.

  Where rows of N become rows of N - 1, each begins one further to the left in
  the one above. Axis `rows` is that of `first`.
  """
  length, size = x.shape[-2:]
  x = x.reshape(*x.shape[:2], -1)[..., : length * (size - 1)]
  x = x.reshape(*x.shape[:2], length, size - 1)
  if isinstance(first, int):
    return x[..., first : first + count]
  return jax.vmap(
      lambda row, at: jax.lax.dynamic_slice_in_dim(row, at, count, 2),
      in_axes=(rows, 0), out_axes=rows,
  )(x, first)


def causal_mask(
    length: int, size: int, position: Int[Array, 'B'] | None
) -> Bool[Array, '#B L S']:
  """Query l stands at position[b] + l (None: at l) and sees keys up to there."""
  start = jnp.zeros((1,), jnp.int32) if position is None else position
  queries = start[:, None] + jnp.arange(length)
  return jnp.arange(size) <= queries[..., None]


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
      segments: Int[Array, 'B L'] | None = None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """Attention of L new tokens.

    Args:
      x: the new tokens.
      cache: what came before, or an empty one whose room tells how many
        distances to project. None for a full forward pass without one.
      position: where row b continues its cache. None: at the cache's start,
        so that the tokens are 0 .. L-1 if no others are shared.
      segments: of a row of several documents, without a cache: tokens see
        those of their own number. None: a row is one document.

    Returns:
      The attention output, and the entries to append to a cache that is given.
    """
    project = lambda name: HeadsProjection(
        self.heads, self.head_size, self.dtype, name=name
    )
    # Gathered once for the three, and their gradients summed before they are
    # split again.
    x = constrain(x, 'batch', None, 'embed')
    queries, keys, values = (
        project(name)(x) for name in ('query', 'key', 'value')
    )
    new = None if cache is None else LayerCache(keys, values)
    start = 0 if cache is None else cache.start
    if position is None:
      size = start + (x.shape[1] if cache is None else cache.keys.shape[2])
      features = sinusoids(size, x.shape[-1])
      relative = project('relative')(features.astype(self.dtype))
      if new is not None:
        # Projected once: doing it per token would cost S x D^2 each time.
        new = new.replace(relative=relative)
        relative = relative[:, -(start + x.shape[1]) :]
    else:
      whole = cache.append(new, position)
      keys, values, relative = whole.keys, whole.values, whole.relative
    bias = lambda name: self.param(
        name, partitioned(nn.initializers.zeros, 'heads', 'kv'),
        (self.heads, self.head_size), jnp.float32,
    ).astype(self.dtype)[:, None]
    by_content = queries + bias('content_bias')
    by_distance = queries + bias('position_bias')
    # In the dtype of activations: rearranging costs a dozen passes over memory,
    # a tenth of a step's time on TPUs in float32.
    to_dtype = lambda scores: scores.astype(self.dtype)
    size, behind = keys.shape[2], None if position is None else position - start
    scores = dot_scores(by_content, keys) + align_distances(
        to_dtype(dot_scores(by_distance, relative[:, -size:])), behind
    )
    mask = causal_mask(x.shape[1], size, behind)
    if start:
      distances = dot_scores(by_distance, relative, 'HBLS')
      before = dot_scores(by_content, cache.shared.keys, 'HBLS')
      before += align_shared(to_dtype(distances), position, start)
      y = attend_behind(before, cache.shared.values, scores, values, mask)
    else:
      if segments is not None:
        # Distances within a document are what they were on its own.
        mask &= segments[:, :, None] == segments[:, None, :]
      y = attend(scores, values, mask)
    return OutputProjection(x.shape[-1], self.dtype, name='out')(y), new

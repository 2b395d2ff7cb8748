# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The bidirectional layer of every encoder that is a Transformer."""

from collections.abc import Callable

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.models.attention import (
    HeadsProjection,
    OutputProjection,
    attend,
    dot_scores,
)
from flamingo_jax.models.layers import (
    FeedForward,
    LayerNorm,
    axis_of,
    parameter,
)
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float

# The logical axes of x by those of its rows.
_AXES = {'batch': ('text', 'length', 'embed'), 'media': ('media', None, 'embed')}


class EncoderLayer(nn.Module):
  """Self-attention and a feed-forward, with norms before its parts."""

  heads: int
  head_size: int
  activation: Callable[[Array], Array]
  dtype: str
  rows: str = 'batch'  # 'media': of pictures and videos
  hidden: int = 0  # width of the feed-forward; 0: 4 D
  gated: bool = False  # the feed-forward
  bias: bool = False  # of all linear maps
  eps: float = 1e-5  # of norms
  scaled: bool = False  # what each part adds, channel by channel (LayerScale)

  @nn.compact
  def __call__(
      self, x: Float[Array, 'N S D'], _: None, mask: Bool[Array, '#N 1 S']
  ) -> tuple[Float[Array, 'N S D'], None]:
    embed = axis_of(self.rows, 'embed')
    y = LayerNorm(self.dtype, self.eps, embed, name='attn_norm')(x)
    y = attention(
        y, y, mask, self.heads, self.head_size, self.dtype, self.rows, self.bias
    )
    x += self._scale('attn_scale', y)
    y = LayerNorm(self.dtype, self.eps, embed, name='ffw_norm')(x)
    y = FeedForward(
        self.activation, self.dtype, self.rows, self.hidden, self.gated,
        self.bias, name='ffw',
    )(y)
    x += self._scale('ffw_scale', y)
    return constrain(x, *_AXES[self.rows]), None

  def _scale(
      self, name: str, y: Float[Array, 'N S D']
  ) -> Float[Array, 'N S D']:
    if not self.scaled:
      return y
    scale = parameter(
        self, name, nn.initializers.ones, (axis_of(self.rows, 'embed'),),
        (y.shape[-1],),
    )
    return y * scale.astype(self.dtype)


def attention(
    x: Float[Array, 'N L D'],
    seen: Float[Array, 'N S D'],
    mask: Bool[Array, '#N 1 S'],
    heads: int,
    head_size: int,
    dtype: str,
    rows: str,
    bias: bool = False,
    qk_norm: bool = False,
) -> Float[Array, 'N L D']:
  """Of x to all that is seen, without positions: of the layer that calls it."""
  project = lambda name, axis: HeadsProjection(
      heads, head_size, dtype, rows, axis_of(rows, axis), bias, name=name
  )
  queries, keys = project('query', 'heads')(x), project('key', 'kv_heads')(seen)
  if qk_norm:  # of each head
    queries = LayerNorm(dtype, axis='kv', name='query_norm')(queries)
    keys = LayerNorm(dtype, axis='kv', name='key_norm')(keys)
  scores = dot_scores(queries, keys)
  y = attend(scores, project('value', 'kv_heads')(seen), mask)
  return OutputProjection(x.shape[-1], dtype, rows, bias, name='out')(y)


def feed_forward(
    x: Float[Array, 'N S D'],
    activation: Callable[[Array], Array],
    dtype: str,
    rows: str,
) -> Float[Array, 'N S D']:
  """The pre-norm feed-forward of the layer that calls it."""
  y = LayerNorm(dtype, name='ffw_norm')(x)
  x += FeedForward(activation, dtype, rows=rows, name='ffw')(y)
  return constrain(x, *_AXES[rows])

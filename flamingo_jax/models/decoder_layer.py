# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A layer of the frozen language model (Flamingo §2.2, figure 4, grey)."""

from flax import linen as nn
import jax

from flamingo_jax.models.attention import SelfAttention
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.layers import FeedForward, RMSNorm
from flamingo_jax.models.positions import Relative
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Float, Int


class DecoderLayer(nn.Module):
  """Self-attention, then a feed-forward with GELU, each behind a norm."""

  config: DecoderConfig
  dtype: str

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      cache: LayerCache | None,
      position: Int[Array, 'B'] | None,
      segments: Int[Array, 'B L'] | None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """The residual stream, and the entries to append to a cache."""
    x, new = self.attend(x, cache, position, segments)
    return self.feed_forward(x), new

  def attend(
      self,
      x: Float[Array, 'B L D'],
      cache: LayerCache | None,
      position: Int[Array, 'B'] | None,
      segments: Int[Array, 'B L'] | None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """The first half: text sees what stands before it."""
    y = RMSNorm(self.dtype, name='attn_norm')(x)
    y, new = SelfAttention(
        self.config.heads, self.config.head_size, Relative, self.dtype,
        name='attn',
    )(y, cache, position, segments)
    return x + y, new

  def feed_forward(self, x: Float[Array, 'B L D']) -> Float[Array, 'B L D']:
    """The second half, of each token by itself."""
    y = RMSNorm(self.dtype, name='ffw_norm')(x)
    x += FeedForward(jax.nn.gelu, self.dtype, name='ffw')(y)
    return constrain(x, 'text', 'length', 'embed')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A layer of the frozen language model (Flamingo §2.2, figure 4, grey)."""

from collections.abc import Callable, Mapping
import functools

from flax import linen as nn

from flamingo_jax.models.branches import Segments
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.layers import ACTIVATIONS, NORMS, FeedForward
from flamingo_jax.models.self_attention import SelfAttention
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Float, Int

# What differs from layer to layer, by name (`DecoderConfig.numbers`).
Numbers = Mapping[str, Int[Array, '...']]


def make_norm(layer: LayerConfig, dtype: str) -> Callable[..., nn.Module]:
  """The class of a language model's norms, all but its fields set."""
  return functools.partial(NORMS[layer.norm], dtype, layer.norm_eps)


class DecoderLayer(nn.Module):
  """Self-attention and a feed-forward, added to the residual stream.

  Chinchilla's has norms before both and GELU between two maps; `LayerConfig`
  says what others have.
  """

  config: DecoderConfig
  dtype: str

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[LayerCache | None, Numbers],
      position: Int[Array, 'B'] | None,
      segments: Segments,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """The residual stream, and the entries to append to a cache."""
    y, new = self.attend(x, stacked, position, segments)
    if self.config.layer.parallel:
      return constrain(self.feed_forward(x) + y, 'text', 'length', 'embed'), new
    return self.feed_forward(x + y), new

  def attend(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[LayerCache | None, Numbers],
      position: Int[Array, 'B'] | None,
      segments: Segments,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """What the first half adds: text sees what stands before it."""
    cache, numbers = stacked
    y = self._norm(x, 'attn_norm')
    y, new = SelfAttention(self.config, self.dtype, name='attn')(
        y, cache, position, segments, numbers
    )
    return self._norm_after(y, 'attn_norm'), new

  def feed_forward(self, x: Float[Array, 'B L D']) -> Float[Array, 'B L D']:
    """The residual stream behind the second half, of each token by itself."""
    layer = self.config.layer
    y = self._norm(x, 'ffw_norm')
    y = FeedForward(
        ACTIVATIONS[layer.activation], self.dtype, hidden=layer.mlp_width,
        gated=layer.gated, bias=layer.mlp_bias, name='ffw',
    )(y)
    x += self._norm_after(y, 'ffw_norm')
    return constrain(x, 'text', 'length', 'embed')

  def _norm(self, x: Float[Array, 'B L D'], name: str) -> Array:
    if self.config.layer.norm_place == 'after':
      return x
    return make_norm(self.config.layer, self.dtype)(name=name)(x)

  def _norm_after(self, y: Float[Array, 'B L D'], name: str) -> Array:
    if self.config.layer.norm_place == 'before':
      return y
    return make_norm(self.config.layer, self.dtype)(name=f'{name}_after')(y)

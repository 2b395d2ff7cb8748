# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the Perceiver Resampler is compared with (Flamingo §3.3, table 3 vi).

The paper names an MLP and a Transformer of as many parameters, and says no more
of them; what they are here is our choice.
"""

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.models.encoder_layer import EncoderLayer, feed_forward
from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import Einsum, LayerNorm, squared_relu
from flamingo_jax.models.resampler import Resampler
from flamingo_jax.typing import Array, Bool, Float


class FeedForwardLayer(nn.Module):
  """A residual feed-forward on each feature by itself."""

  dtype: str

  @nn.compact
  def __call__(
      self, x: Float[Array, 'N S D'], _: None
  ) -> tuple[Float[Array, 'N S D'], None]:
    return feed_forward(x, squared_relu, self.dtype, 'media'), None


class TransformerResampler(Resampler):
  """A Transformer over features and latents; the latents are kept."""

  @nn.compact
  def __call__(
      self,
      features: Float[Array, 'N T P Dv'],
      frame_mask: Bool[Array, 'N T'],
  ) -> Float[Array, 'N R D']:
    """As PerceiverResampler."""
    cfg = self.config
    x = jnp.concatenate(
        [self.embed(features), self.latents(len(features))], axis=1
    )
    layers = scan(self, EncoderLayer, cfg.layers, 'layers', 1)
    x, _ = layers(
        cfg.heads, cfg.head_size, squared_relu, self.dtype, 'media',
        name='layers',
    )(
        x, None, self.key_mask(frame_mask, features.shape[2])
    )
    return LayerNorm(self.dtype, name='norm')(x[:, -cfg.latents:])


class MLPResampler(Resampler):
  """Feed-forwards on each feature, a mean over frames, a map of positions."""

  @nn.compact
  def __call__(
      self,
      features: Float[Array, 'N T P Dv'],
      frame_mask: Bool[Array, 'N T'],
  ) -> Float[Array, 'N R D']:
    """As PerceiverResampler; P is the same for all media."""
    cfg = self.config
    x = self.embed(features)
    layers = scan(self, FeedForwardLayer, cfg.layers, 'layers', 0)
    x, _ = layers(self.dtype, name='layers')(x, None)
    x = x.reshape(*features.shape[:3], cfg.width)
    share = frame_mask / jnp.maximum(frame_mask.sum(1, keepdims=True), 1)
    x = jnp.einsum('NTPD,NT->NPD', x, share.astype(self.dtype))
    x = Einsum(
        'NPD,PR->NRD', (x.shape[1], cfg.latents), (None, 'latents'),
        dtype=self.dtype, name='positions_projection',
    )(x)
    return LayerNorm(self.dtype, name='norm')(x)

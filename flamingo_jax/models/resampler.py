# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Perceiver Resampler (Flamingo §2.1, A.1.1)."""

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.encoder_layer import attention, feed_forward
from flamingo_jax.models.layer_stack import looks_for_invariants, per_turn
from flamingo_jax.models.layers import (
    ACTIVATIONS,
    Einsum,
    LayerNorm,
    check_activation,
    parameter,
)
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float


@dataclasses.dataclass(frozen=True)
class ResamplerConfig:
  """Shape of the resampler; the defaults are those of every Flamingo.

  The head size is v1's 128: v2 says D / H = 96, but only 128 gives the 194M
  parameters that both versions print.
  """

  # 0: no resampler, text sees the `latents` features of a picture as they are.
  layers: int = 6
  width: int = 1536
  heads: int = 16
  head_size: int = 128
  latents: int = 64
  # Of the learnt latents at the start. The smaller, the more of what leaves the
  # resampler is of the medium; the Perceiver has 0.02.
  latents_stddev: float = 1.0
  frames: int = 8  # time embeddings, one per training frame; 0: none
  projected: bool = True  # features, to the width; else they have it
  bias: bool = False  # of this projection (Llama 3.2)
  activation: str = 'squared_relu'  # a key of layers.ACTIVATIONS
  qk_norm: bool = False  # of each head's queries and keys (IDEFICS)

  def __post_init__(self):
    check_activation(self.activation, 'resampler')


def interpolate_time(
    embeddings: Float[Array, 'trained D'], frames: int
) -> Float[Array, 'T D']:
  """Time embeddings of T frames: the first T, or all stretched over more.

  Flamingo trains on 8 frames and evaluates on 30, 'interpolated' (B.1.2). The
  paper leaves the end points open; here the first and the last frame keep the
  first and the last embedding.
  """
  trained = embeddings.shape[0]
  if frames <= trained:
    return embeddings[:frames]
  place = jnp.linspace(0.0, trained - 1.0, frames)
  low = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, trained - 2)
  share = (place - low)[:, None]
  return (1 - share) * embeddings[low] + share * embeddings[low + 1]


class ResamplerLayer(nn.Module):
  """Latents attend to the features and to themselves, then a feed-forward."""

  config: ResamplerConfig
  dtype: str

  @nn.compact
  def __call__(
      self,
      latents: Float[Array, 'N R D'],
      features: Float[Array, 'N S D'],
      mask: Bool[Array, 'N 1 S+R'],
  ) -> Float[Array, 'N R D']:
    cfg = self.config
    y = LayerNorm(self.dtype, name='latents_norm')(latents)
    features = LayerNorm(self.dtype, name='features_norm')(features)
    # Latents join keys and values: "slightly better" than features alone.
    seen = jnp.concatenate([features, y], axis=1)
    latents += attention(
        y, seen, mask, cfg.heads, cfg.head_size, self.dtype, 'media',
        qk_norm=cfg.qk_norm,
    )
    return feed_forward(
        latents, ACTIVATIONS[cfg.activation], self.dtype, 'media'
    )


class Resampler(nn.Module):
  """How a resampler begins: its features, its latents and their mask."""

  config: ResamplerConfig
  dtype: str = 'float32'

  def embed(
      self, features: Float[Array, 'N T P Dv']
  ) -> Float[Array, 'N T*P D']:
    """Features at the resampler's width, each with the time of its frame."""
    cfg = self.config
    batch, frames, positions, vision_width = features.shape
    if cfg.projected:
      x = Einsum(
          'NTPV,VD->NTPD', (vision_width, cfg.width),
          ('vision_embed', 'embed'), dtype=self.dtype, bias=cfg.bias,
          name='features_projection',
      )(features)
    elif vision_width == cfg.width:
      x = features.astype(self.dtype)
    else:
      raise UserError(
          f'resampler.width is {cfg.width}, and the vision encoder has features '
          f'of {vision_width}: without resampler.projected they have to be equal'
      )
    if cfg.frames:
      normal = nn.initializers.normal(stddev=0.02)
      time = parameter(
          self, 'time_embeddings', normal, ('frames', 'embed'),
          (cfg.frames, cfg.width),
      )
      x += interpolate_time(time, frames)[:, None].astype(self.dtype)
    x = x.reshape(batch, frames * positions, cfg.width)  # one key axis
    return constrain(x, 'media', None, 'embed')

  def latents(self, batch: int) -> Float[Array, 'N R D']:
    """The learnt latents, the same for each medium of a batch."""
    cfg = self.config
    latents = parameter(
        self, 'latents', nn.initializers.normal(cfg.latents_stddev),
        ('latents', 'embed'), (cfg.latents, cfg.width),
    )
    return jnp.broadcast_to(
        latents.astype(self.dtype), (batch, *latents.shape)
    )

  def key_mask(
      self, frame_mask: Bool[Array, 'N T'], positions: int
  ) -> Bool[Array, 'N 1 _']:
    """What every query sees: features of frames that are none of padding."""
    return jnp.concatenate(
        [
            jnp.repeat(frame_mask, positions, axis=1),
            jnp.ones((len(frame_mask), self.config.latents), bool),
        ],
        axis=1,
    )[:, None]


class PerceiverResampler(Resampler):
  """Any number of frames and features to R latents per medium."""

  @nn.compact
  def __call__(
      self,
      features: Float[Array, 'N T P Dv'],
      frame_mask: Bool[Array, 'N _'],
  ) -> Float[Array, 'N R D']:
    """R latents of each of N media, whatever T and P.

    Features are P of each of T frames, from the vision encoder; no latent sees
    those of frames that are padding, where `frame_mask` is False. Features of
    tiles have no empty places between them, as their mask may have.
    """
    cfg = self.config
    if frame_mask.shape[1] != features.shape[1]:
      count = jnp.sum(frame_mask, axis=1, keepdims=True)
      frame_mask = jnp.arange(features.shape[1]) < count
    if not cfg.layers:
      return self._as_they_are(features, frame_mask)
    x = self.embed(features)
    latents = self.latents(len(features))
    mask = self.key_mask(frame_mask, features.shape[2])
    # Scanned, so that a layer is compiled once for each dataset, not six times.
    layers = nn.scan(
        lambda layer, latents, _: (layer(latents, x, mask), None),
        variable_axes={'params': 0},
        split_rngs={'params': True},
        length=cfg.layers,
        unroll=per_turn(cfg.layers, cfg.width),
        metadata_params={nn.PARTITION_NAME: 'layers'},
        **looks_for_invariants(self),
    )
    # Products with weights are kept for the backward pass; attention, whose
    # scores are larger, is computed again.
    rematted = nn.remat(
        ResamplerLayer, prevent_cse=False,
        policy=jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    )
    layer = rematted(cfg, self.dtype, name='layers')
    latents, _ = layers(layer, latents, None)
    return LayerNorm(self.dtype, name='norm')(latents)

  def _as_they_are(
      self, features: Float[Array, 'N T P Dv'], frame_mask: Bool[Array, 'N T']
  ) -> Float[Array, 'N R D']:
    """What the vision encoder makes of pictures, where nothing resamples it.

    Latents of tiles that are none are 0.
    """
    cfg = self.config
    frames, positions = features.shape[1:3]
    if frames * positions != cfg.latents:
      raise UserError(
          'this model has no resampler: it sees images, and no videos of '
          f'{frames} frames' if cfg.latents == positions else
          f'resampler.layers is 0, and latents are {cfg.latents}, where the '
          f'vision encoder has {frames} x {positions}: they have to be as many'
      )
    x = self.embed(features)
    if frames == 1:
      return x
    return jnp.where(jnp.repeat(frame_mask, positions, axis=1)[..., None], x, 0)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vision encoders by name or config: NFNets (Flamingo §2.1), ViTs, also in tiles.

What encodes arrays of another modality stands in the same place.
"""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.array_encoder import ArrayEncoderConfig
from flamingo_jax.models.nfnet import NFNETS, NFNet, NFNetConfig
from flamingo_jax.models.tiled_vit import TiledViT, TiledViTConfig
from flamingo_jax.models.vit import VITS, ViT, ViTConfig
from flamingo_jax.picture_size import FrameSize, PictureSize
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, UInt8


VisionConfig = TiledViTConfig | ViTConfig | NFNetConfig | ArrayEncoderConfig
# A row of nfnet.NFNETS or vit.VITS by its name, or a config of its own.
Vision = str | VisionConfig


def vision_config(vision: Vision) -> VisionConfig:
  """What an encoder is made of.

  Raises:
    UserError: there is none of this name.
  """
  if not isinstance(vision, str):
    return vision
  if vision not in NFNETS and vision not in VITS:
    raise UserError(
        f'unknown vision encoder {vision!r}: there are '
        f'{", ".join((*NFNETS, *VITS))}'
    )
  return NFNETS[vision] if vision in NFNETS else VITS[vision]


def vision_encoder(vision: Vision, dtype: str) -> nn.Module:
  """An encoder as a module.

  From pictures [N h w 3] to a grid of features [N _ _ Dv], from their tiles and
  mask to [N T P Dv], or from arrays [N P C] to [N _ Dv]. Raises as
  `vision_config`.
  """
  config = vision_config(vision)
  if isinstance(config, ArrayEncoderConfig):
    return config.build(dtype)
  if isinstance(config, TiledViTConfig):
    return TiledViT(config, dtype)
  return (ViT if isinstance(config, ViTConfig) else NFNet)(config, dtype)


def has_size(vision: Vision) -> bool:
  """Whether an encoder says the size of pictures: ViTs and public NFNets.

  NFNets of ours are for pictures of any size, which the run says.
  """
  return not isinstance(vision, str) or vision in VITS


def is_tiled(vision: Vision) -> bool:
  """Whether frames of a medium are tiles of a picture, encoded together."""
  return isinstance(vision, TiledViTConfig)


def encode(
    encoder: nn.Module, vision: Vision,
    media: UInt8[Array, '*media h w 3'] | Float[Array, '*media _ C'],
    mask: Bool[Array, '*media'] | None,
) -> Float[Array, '*_ P Dv']:
  """Features of each frame, or of the tiles of each picture.

  Args:
    encoder: of `vision`.
    vision: what it is made of.
    media: pixels, or arrays.
    mask: of frames, which tiles hang on; None where there are none.
  """
  if isinstance(vision, ArrayEncoderConfig):
    arrays = media.reshape(-1, *media.shape[-2:])
    features = encoder(constrain(arrays, 'media', None, None))
    features = constrain(features, 'media', None, None)
    return features.reshape(*media.shape[:-2], *features.shape[1:])
  # Axes in front of what is encoded together.
  lead = media.shape[: -4 if is_tiled(vision) else -3]
  pixels = normalize_pixels(
      media.reshape(-1, *media.shape[len(lead) :]), vision
  )
  pixels = constrain(pixels, 'media', *(None,) * (pixels.ndim - 1))
  if is_tiled(vision):
    features = encoder(pixels, mask.reshape(pixels.shape[:2]))
    features = constrain(features, 'media', None, None, None)
    return features.reshape(*lead, *features.shape[1:])
  grid = constrain(encoder(pixels), 'media', None, None, None)
  return grid.reshape(*lead, -1, grid.shape[-1])


def picture_size(vision: Vision, side: int) -> FrameSize:
  """What pictures an encoder reads, of so many pixels a side, or what arrays."""
  config = vision_config(vision)
  if isinstance(config, ArrayEncoderConfig):
    return config.size
  return PictureSize(side, config.squaring)


def normalize_pixels(
    images: UInt8[Array, '*media h w 3'], vision: Vision
) -> Float[Array, '*media h w 3']:
  """Bytes, as pixels travel, to what the encoder reads; on the device."""
  config = vision_config(vision)
  pixels = images.astype(jnp.float32) / 255
  return (pixels - jnp.array(config.pixel_mean)) / jnp.array(config.pixel_std)


@dataclasses.dataclass(frozen=True)
class VisionEncoderConfig(Architecture):
  """The part of a FlamingoConfig that is the vision encoder."""

  MODEL = 'a vision encoder'

  vision: Vision
  image_size: int  # pixels a side
  dtype: str = 'float32'  # of activations; norms and softmax are float32


class VisionEncoder(nn.Module):
  """Pictures to grids of features."""

  config: VisionEncoderConfig

  def setup(self):
    """The encoder, under its name in Flamingo."""
    self.vision_encoder = vision_encoder(self.config.vision, self.config.dtype)

  def __call__(
      self, images: UInt8[Array, 'N h w 3']
  ) -> Float[Array, 'N _ _ Dv']:
    """The grid of each picture."""
    pixels = normalize_pixels(images, self.config.vision)
    return self.vision_encoder(constrain(pixels, 'media', None, None, None))

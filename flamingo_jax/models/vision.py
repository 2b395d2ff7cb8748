# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vision encoders: NFNets by name (Flamingo §2.1), ViTs by name or config."""

import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.nfnet import NFNETS, NFNet
from flamingo_jax.models.vit import VITS, ViT, ViTConfig
from flamingo_jax.picture_size import PictureSize, Squaring
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import IMAGE_MEAN, IMAGE_STD, Array, Float, UInt8


def vision_encoder(vision: str | ViTConfig, dtype: str) -> NFNet | ViT:
  """A row of nfnet.NFNETS or vit.VITS, or a ViT of a config, as a module.

  From pictures [N h w 3] to a grid of features [N _ _ Dv]; its property
  `features` is Dv.

  Raises:
    UserError: there is none of this name.
  """
  if isinstance(vision, ViTConfig):
    return ViT(vision, dtype)
  if vision in NFNETS:
    return NFNet(vision, dtype)
  if vision in VITS:
    return ViT(VITS[vision], dtype)
  raise UserError(
      f'unknown vision encoder {vision!r}: there are '
      f'{", ".join((*NFNETS, *VITS))}'
  )


def has_places(vision: str | ViTConfig) -> bool:
  """Whether an encoder's weights are for pictures of one size."""
  return isinstance(vision, ViTConfig) or vision in VITS


def picture_size(vision: str | ViTConfig, side: int) -> PictureSize:
  """What pictures an encoder reads, of so many pixels a side."""
  if isinstance(vision, ViTConfig):
    return PictureSize(side, vision.squaring)
  return PictureSize(side, Squaring())


def normalize_pixels(
    images: UInt8[Array, '*media h w 3'], vision: str | ViTConfig
) -> Float[Array, '*media h w 3']:
  """Bytes, as pixels travel, to what the encoder reads; on the device."""
  mean, std = IMAGE_MEAN, IMAGE_STD
  if isinstance(vision, ViTConfig):
    mean, std = vision.pixel_mean, vision.pixel_std
  pixels = images.astype(jnp.float32) / 255
  return (pixels - jnp.array(mean)) / jnp.array(std)


@dataclasses.dataclass(frozen=True)
class VisionEncoderConfig(Architecture):
  """The part of a FlamingoConfig that is the vision encoder."""

  MODEL = 'a vision encoder'

  vision: str | ViTConfig  # a name that `vision_encoder` knows, or its config
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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vision Transformer (Dosovitskiy et al. 2021), ours and public ones.

What is asked for is the grid: where there are a class token and registers, patches
see them, and they are not handed on, unless `gives_class_token`: then features are
one row, and no grid.
"""

from collections.abc import Mapping
import dataclasses

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.encoder_layer import EncoderLayer
from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import (
    ACTIVATIONS,
    Einsum,
    LayerNorm,
    check_activation,
    parameter,
)
from flamingo_jax.picture_size import Squaring
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import IMAGE_MEAN, IMAGE_STD, Array, Float


@dataclasses.dataclass(frozen=True)
class ViTConfig:
  """Shape of a ViT and what it is made of; the defaults are of our own ones.

  A field is here because two public checkpoints differ in it.
  """

  patch: int  # pixels a side
  layers: int
  width: int
  heads: int
  mlp_width: int = 0  # 0: four times the width
  # Patches a side, with pixels beyond them cut off; 0: as many as there are.
  grid: int = 0
  class_token: bool = False  # which has a place, the first one
  gives_class_token: bool = False  # in front of the patches (IDEFICS)
  registers: int = 0  # tokens without places (Darcet et al. 2024)
  patch_bias: bool = False
  pre_norm: bool = False  # before the first layer (CLIP)
  last_norm: bool = True  # behind the last layer
  bias: bool = False  # of all linear maps of layers
  layer_scale: bool = False  # of what parts of layers add (DINOv2)
  activation: str = 'gelu'  # a key of ACTIVATIONS; 'gelu' by tanh
  gated: bool = False  # activation(gate(x)) * up(x) (DINOv2-giant)
  norm_eps: float = 1e-5
  # Of pixels in [0, 1], by channel.
  pixel_mean: tuple[float, ...] = IMAGE_MEAN
  pixel_std: tuple[float, ...] = IMAGE_STD
  squaring: Squaring = Squaring()  # of pictures, before it sees them

  def __post_init__(self):
    check_activation(self.activation, 'vision')

  @property
  def features(self) -> int:
    """Channels of the grid of features."""
    return self.width

  def side(self, image_size: int) -> int:
    """Features a side of pictures of this size."""
    return image_size // self.patch


VITS: Mapping[str, ViTConfig] = {
    # In Flamingo's table 3 vii; without what only CLIP's has: a class token,
    # biases, the norm before its layers, quick GELU.
    'L/14': ViTConfig(patch=14, layers=24, width=1024, heads=16),
    # Ours, for pictures of 48 pixels on a CPU: a grid of 3 x 3 as that of the
    # tiny NFNet, and nearly its parameters.
    'tiny_vit': ViTConfig(patch=16, layers=2, width=96, heads=4),
}


class ViT(nn.Module):
  """Pictures to a grid of features, one for each patch."""

  config: ViTConfig
  dtype: str = 'float32'

  @property
  def features(self) -> int:
    """Channels of the grid."""
    return self.config.features

  @nn.compact
  def __call__(self, x: Float[Array, 'N h w 3']) -> Float[Array, 'N _ _ Dv']:
    cfg = self.config
    count, patch = len(x), cfg.patch
    grid = _grid(cfg, *x.shape[1:3])
    x = cut_patches(x, patch, *grid)
    x = Einsum(
        'NPC,CD->NPD', (x.shape[-1], cfg.width), ('conv_in', 'media_embed'),
        dtype=self.dtype, bias=cfg.patch_bias, name='patches_projection',
    )(x)
    if cfg.class_token:
      x = jnp.concatenate([self._tokens('class_token', 1, count), x], axis=1)
    # A row per place: the size of pictures is part of the architecture.
    places = self._rows('position_embeddings', x.shape[1])
    x = x + places
    if cfg.registers:
      registers = self._tokens('registers', cfg.registers, count)
      x = jnp.concatenate([registers, x], axis=1)
    x = constrain(x, 'media', None, 'embed')
    if cfg.pre_norm:
      x = LayerNorm(
          self.dtype, cfg.norm_eps, 'media_embed', name='pre_norm'
      )(x)
    layers = scan(self, EncoderLayer, cfg.layers, 'layers', 1)
    x, _ = layers(
        cfg.heads, cfg.width // cfg.heads, ACTIVATIONS[cfg.activation],
        self.dtype, 'media', cfg.mlp_width, cfg.gated, cfg.bias, cfg.norm_eps,
        cfg.layer_scale, name='layer_blocks',
    )(x, None, jnp.ones((1, 1, x.shape[1]), bool))
    if cfg.last_norm:
      x = LayerNorm(self.dtype, cfg.norm_eps, 'media_embed', name='norm')(x)
    if cfg.gives_class_token:
      return x[:, None, cfg.registers :]
    x = x[:, cfg.registers + cfg.class_token :]
    return x.reshape(count, *grid, cfg.width)

  def _rows(self, name: str, count: int) -> Float[Array, '_ D']:
    return parameter(
        self, name, nn.initializers.normal(0.02), (None, 'media_embed'),
        (count, self.config.width),
    ).astype(self.dtype)

  def _tokens(
      self, name: str, count: int, pictures: int
  ) -> Float[Array, 'N _ D']:
    """Learnt ones, the same for all pictures."""
    rows = self._rows(name, count)
    return jnp.broadcast_to(rows, (pictures, *rows.shape))


def cut_patches(
    x: Float[Array, 'N h w 3'], patch: int, rows: int, columns: int
) -> Float[Array, 'N P C']:
  """Pixels of each patch; those beyond the last ones are cut off."""
  x = x[:, : rows * patch, : columns * patch]
  x = x.reshape(len(x), rows, patch, columns, patch, 3)
  return jnp.moveaxis(x, 2, 3).reshape(len(x), rows * columns, -1)


def _grid(config: ViTConfig, height: int, width: int) -> tuple[int, int]:
  """Patches of pictures; UserError if the encoder has no places for them."""
  patch = config.patch
  grid = height // patch, width // patch
  if config.grid and grid != (config.grid, config.grid):
    raise UserError(
        f'pictures of {height} x {width} pixels are not of the '
        f'{config.grid} x {config.grid} patches of {patch} pixels that the '
        f'vision encoder knows: give an image_size of {config.grid * patch} to '
        f'{(config.grid + 1) * patch - 1}'
    )
  if not config.grid and (height % patch or width % patch):
    raise UserError(
        f'pictures of {height} x {width} pixels cannot be cut into the '
        f'patches of {patch} pixels of the vision encoder: give another '
        'image_size'
    )
  return grid

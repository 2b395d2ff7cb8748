# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vision Transformer (Dosovitskiy et al. 2021), to compare with the NFNet.

In Flamingo's table 3 vii it is CLIP's ViT-L/14. What is asked for is the grid, so
there is no class token; nor has it CLIP's biases, the norm before its layers and
its quick GELU.
"""

from collections.abc import Mapping
import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.models.encoder_layer import EncoderLayer
from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import Einsum, LayerNorm, partitioned
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Float


@dataclasses.dataclass(frozen=True)
class ViTVariant:
  """Shape of a ViT."""

  patch: int  # pixels a side
  layers: int
  width: int
  heads: int

  @property
  def features(self) -> int:
    """Channels of the grid of features."""
    return self.width


VITS: Mapping[str, ViTVariant] = {
    'L/14': ViTVariant(patch=14, layers=24, width=1024, heads=16),
    # Ours, for pictures of 48 pixels on a CPU: a grid of 3 x 3 as that of the
    # tiny NFNet, and nearly its parameters.
    'tiny_vit': ViTVariant(patch=16, layers=2, width=96, heads=4),
}


class ViT(nn.Module):
  """Pictures to a grid of features, one for each patch."""

  variant: str
  dtype: str = 'float32'

  @property
  def features(self) -> int:
    """Channels of the grid."""
    return VITS[self.variant].features

  @nn.compact
  def __call__(self, x: Float[Array, 'N h w 3']) -> Float[Array, 'N _ _ Dv']:
    row = VITS[self.variant]
    count, height, width, _ = x.shape
    if height % row.patch or width % row.patch:
      raise UserError(
          f'pictures of {height} x {width} pixels cannot be cut into the '
          f'patches of {row.patch} pixels of {self.variant!r}: give another '
          'image_size'
      )
    grid = height // row.patch, width // row.patch
    x = x.reshape(count, grid[0], row.patch, grid[1], row.patch, 3)
    x = jnp.moveaxis(x, 2, 3).reshape(count, grid[0] * grid[1], -1)
    x = Einsum(
        'NPC,CD->NPD', (x.shape[-1], row.width), ('conv_in', 'embed'),
        dtype=self.dtype, name='patches_projection',
    )(x)
    # A row per place: the size of pictures is part of the architecture.
    places = self.param(
        'position_embeddings',
        partitioned(nn.initializers.normal(0.02), None, 'embed'),
        (grid[0] * grid[1], row.width), jnp.float32,
    )
    x = constrain(x + places.astype(self.dtype), 'media', None, 'embed')
    layers = scan(EncoderLayer, row.layers, 'layers', 1)
    x, _ = layers(
        row.heads, row.width // row.heads, jax.nn.gelu, self.dtype, 'media',
        name='layer_blocks',
    )(x, None, jnp.ones((1, 1, x.shape[1]), bool))
    x = LayerNorm(self.dtype, name='norm')(x)
    return x.reshape(count, *grid, row.width)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Vision Transformer of pictures in tiles (Llama 3.2 Vision).

A medium is up to T tiles in reading order, in T + 1 places: the first row of tiles
ends where there is none, so that the mask tells the layout. Of 2 x 2 tiles it is
[1 1 0 1 1], of four in a row [1 1 1 1 0], of two in a column [1 0 1 0 0].

All patches of all tiles see each other, twice: in local layers, of which some are
handed on as they are, and in global ones. Tiles that are none are seen too, by
those that are some, as their makers trained it.
"""

import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.models.attention import (
    HeadsProjection,
    OutputProjection,
    attend,
    dot_scores,
)
from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import (
    ACTIVATIONS,
    Einsum,
    FeedForward,
    LayerNorm,
    check_activation,
    parameter,
)
from flamingo_jax.models.vit import cut_patches
from flamingo_jax.picture_size import Squaring
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int

_ROWS = 8  # tokens of a tile are a multiple of it; those that are added see too


@dataclasses.dataclass(frozen=True)
class TiledViTConfig:
  """Shape of such an encoder."""

  patch: int  # pixels a side
  grid: int  # patches a side of a tile
  layers: int  # local ones
  global_layers: int
  levels: tuple[int, ...]  # after how many layers features are handed on, too
  width: int
  heads: int
  mlp_width: int
  squaring: Squaring  # how pictures become tiles
  # Of pixels in [0, 1], by channel.
  pixel_mean: tuple[float, ...]
  pixel_std: tuple[float, ...]
  activation: str = 'gelu_exact'  # a key of ACTIVATIONS
  norm_eps: float = 1e-5  # of the norms of layers

  def __post_init__(self):
    check_activation(self.activation, 'vision')

  @property
  def tiles(self) -> int:
    """T, the most of a picture."""
    return self.squaring.tiles

  @property
  def tokens(self) -> int:
    """P of a tile: its patches and, in front, a class token."""
    return self.grid**2 + 1

  @property
  def features(self) -> int:
    """Channels: those behind the last layer, then those of each level."""
    return self.width * (1 + len(self.levels))


def layout_ids(tiles: int) -> Int[np.ndarray, '_ _']:
  """The number of each layout by its rows and columns; 0: no picture."""
  ids = np.zeros((tiles + 2, tiles + 2), np.int32)
  layouts = [
      (rows, columns) for rows in range(1, tiles + 1)
      for columns in range(1, tiles + 1) if rows * columns <= tiles
  ]
  for number, place in enumerate(layouts, 1):
    ids[place] = number
  return ids


class TiledViT(nn.Module):
  """Pictures in tiles to features of their patches."""

  config: TiledViTConfig
  dtype: str = 'float32'

  @property
  def features(self) -> int:
    """Channels of features."""
    return self.config.features

  @nn.compact
  def __call__(
      self, x: Float[Array, 'N F h w 3'], mask: Bool[Array, 'N F']
  ) -> Float[Array, 'N T P Dv']:
    """Features of T tiles, the last of which are none where there are fewer.

    Args:
      x: pixels of F = T + 1 places for tiles.
      mask: in which of them there is one.
    """
    cfg, count = self.config, len(x)
    columns = jnp.sum(jnp.cumprod(mask, axis=1), axis=1)
    number = jnp.sum(mask, axis=1)
    rows = number // jnp.maximum(columns, 1)
    layout = jnp.asarray(layout_ids(cfg.tiles))[rows, columns]
    # The tiles that there are, side by side; of others the mean colour.
    order = jnp.argsort(~mask, axis=1, stable=True)[:, : cfg.tiles]
    x = jnp.take_along_axis(x, order[..., None, None, None], axis=1)
    is_tile = jnp.arange(cfg.tiles) < number[:, None]
    x = jnp.where(is_tile[..., None, None, None], x, 0)

    x = cut_patches(x.reshape(-1, *x.shape[2:]), cfg.patch, cfg.grid, cfg.grid)
    x = Einsum(
        'NPC,CD->NPD', (x.shape[-1], cfg.width), ('conv_in', 'media_embed'),
        dtype=self.dtype, name='patches_projection',
    )(x).reshape(count, cfg.tiles, -1, cfg.width)
    x += self._of_tiles('before', layout)[:, :, None]
    token = self._table('class_token', 1)
    x = jnp.concatenate(
        [jnp.broadcast_to(token, (*x.shape[:2], *token.shape)), x], axis=2
    )
    gate = self._gate('position_gate')
    x += (1 - gate) * self._table('position_embeddings', cfg.tokens)
    places = self._table('tile_position_embeddings', *self._of_all(cfg.tokens))
    x += gate * places[layout]
    x = LayerNorm(self.dtype, axis='media_embed', name='pre_norm')(x)

    added = -cfg.tokens % _ROWS
    x = jnp.pad(x, ((0, 0), (0, 0), (0, added), (0, 0)))
    is_none = ~is_tile[..., None] | (jnp.arange(x.shape[2]) >= cfg.tokens)
    is_none = is_none.reshape(count, -1)
    x = constrain(x.reshape(count, -1, cfg.width), 'media', None, 'embed')
    levels = (x,) * len(cfg.levels)
    x, levels = self._layers('layer_blocks', cfg.layers, x, levels, is_none)
    x = LayerNorm(self.dtype, axis='media_embed', name='norm')(x)
    x += jnp.repeat(
        self._of_tiles('behind', layout), x.shape[1] // cfg.tiles, axis=1
    )
    x, _ = self._layers('global_blocks', cfg.global_layers, x, (), is_none)
    x = jnp.concatenate([x, *levels], axis=-1)
    x = x.reshape(count, cfg.tiles, -1, cfg.features)
    return x[:, :, : cfg.tokens]

  def _layers(
      self, name: str, count: int, x: Float[Array, 'N S D'],
      levels: tuple[Float[Array, 'N S D'], ...], is_none: Bool[Array, 'N S'],
  ) -> tuple[Float[Array, 'N S D'], tuple[Float[Array, 'N S D'], ...]]:
    layers = scan(self, TiledLayer, count, 'layers', 1)(
        self.config, self.dtype, is_gated=not levels, name=name
    )
    return layers((x, levels), jnp.arange(1, count + 1), is_none)[0]

  def _of_all(self, *shape: int) -> tuple[int, ...]:
    """Of a table for all layouts and tiles."""
    tiles = self.config.tiles
    return int(layout_ids(tiles).max()) + 1, tiles, *shape

  def _of_tiles(
      self, name: str, layout: Int[Array, 'N']
  ) -> Float[Array, 'N T D']:
    table = self._table(f'tile_embeddings_{name}', *self._of_all())
    return self._gate(f'tile_gate_{name}') * table[layout]

  def _table(self, name: str, *shape: int) -> Float[Array, '... D']:
    axes = *(None,) * len(shape), 'media_embed'
    return parameter(
        self, name, nn.initializers.normal(0.02), axes,
        (*shape, self.config.width),
    ).astype(self.dtype)

  def _gate(self, name: str) -> Float[Array, '']:
    gate = parameter(self, name, nn.initializers.zeros, (), ())
    return jnp.tanh(gate.astype(self.dtype))


class TiledLayer(nn.Module):
  """Self-attention of all tiles, and a feed-forward; gated, if it is global."""

  config: TiledViTConfig
  dtype: str
  is_gated: bool

  @nn.compact
  def __call__(
      self,
      carry: tuple[Float[Array, 'N S D'], tuple[Float[Array, 'N S D'], ...]],
      number: Int[Array, ''],
      is_none: Bool[Array, 'N S'],
  ) -> tuple[tuple[Array, tuple[Array, ...]], None]:
    """The residual stream and the levels so far, behind this layer."""
    cfg, (x, levels) = self.config, carry
    norm = lambda name: LayerNorm(
        self.dtype, cfg.norm_eps, 'media_embed', name=name
    )
    x += self._gated('attn_gate', self._attend(norm('attn_norm')(x), is_none))
    y = FeedForward(
        ACTIVATIONS[cfg.activation], self.dtype, 'media', cfg.mlp_width,
        bias=True, name='ffw',
    )(norm('ffw_norm')(x))
    x = constrain(x + self._gated('ffw_gate', y), 'media', None, 'embed')
    levels = tuple(
        jnp.where(number == level, x, kept)
        for level, kept in zip(cfg.levels, levels)
    )
    return (x, levels), None

  def _attend(
      self, x: Float[Array, 'N S D'], is_none: Bool[Array, 'N S']
  ) -> Float[Array, 'N S D']:
    """Of one tile after another, as scores of all are S x S.

    What is none sees all but what is none.
    """
    cfg = self.config
    project = lambda name, axis: HeadsProjection(
        cfg.heads, cfg.width // cfg.heads, self.dtype, 'media', f'media_{axis}',
        name=name,
    )(x)
    queries = project('query', 'heads')
    keys, values = project('key', 'kv_heads'), project('value', 'kv_heads')

    def of_tile(tile):
      queries, is_none_too = tile
      mask = ~(is_none_too[..., None] & is_none[:, None])
      return attend(dot_scores(queries, keys), values, mask)

    parts = lambda x, axis: jnp.moveaxis(x.reshape(
        *x.shape[:axis], cfg.tiles, -1, *x.shape[axis + 1 :]
    ), axis, 0)
    y = jax.lax.map(of_tile, (parts(queries, 2), parts(is_none, 1)))
    y = jnp.moveaxis(y, 0, 2).reshape(queries.shape)
    return OutputProjection(cfg.width, self.dtype, 'media', name='out')(y)

  def _gated(self, name: str, y: Float[Array, 'N S D']) -> Array:
    if not self.is_gated:
      return y
    gate = parameter(self, name, nn.initializers.zeros, (), ())
    return jnp.tanh(gate.astype(self.dtype)) * y

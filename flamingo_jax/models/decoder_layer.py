# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Layers of the decoder and its shape; how they are scanned (Flamingo §2.2)."""

import dataclasses

from flax import linen as nn
import jax

from flamingo_jax.errors import UserError
from flamingo_jax.models.attention import SelfAttention
from flamingo_jax.models.cache import GroupCache, LayerCache
from flamingo_jax.models.cross_attention import GatedCrossAttentionBlock
from flamingo_jax.models.layers import FeedForward, RMSNorm
from flamingo_jax.models.positions import Relative
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int

# What the backward pass keeps of a block instead of computing it again.
REMAT_POLICIES = {
    'none': jax.checkpoint_policies.everything_saveable,
    'full': jax.checkpoint_policies.nothing_saveable,
    # Products with weights; those of attention, whose results are as large as
    # L x S, are computed again.
    'dots': jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names('output'),
    ),
    'named': jax.checkpoint_policies.save_only_these_names('output'),
}


# How text sees media; all but the first are ablations (Flamingo §3.3).
XATTNS = (
    # GATED XATTN-DENSE before every k-th layer.
    'dense',
    # Table 3 v, 'single in the middle': one such block alone, before the tail.
    'single',
    # Table 3 iv, 'VANILLA XATTN': in every layer, between self-attention and
    # feed-forward, gated, without a feed-forward of its own.
    'vanilla',
    # Table 3 iv, 'GRAFTING': the language model as it is, and on top of it
    # layers of self-attention, cross-attention and feed-forward from scratch.
    'grafted',
)


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """Shape of the language model and of the blocks between its layers."""

  vocab: int  # entries of the frozen table; <EOC> is added behind them
  layers: int
  width: int
  heads: int
  xattn_every: int
  head_size: int = 128
  context: int = 2048  # positions the language model was trained for
  remat: str = 'none'  # a key of REMAT_POLICIES
  # Groups per turn of the loop over them. Small models gain a fifth on a CPU by
  # having no loop; large ones would take that many times as long to compile.
  unroll: int = 1
  xattn: str = 'dense'  # one of XATTNS
  gated: bool = True  # False: what text sees is added as it is (table 3 iii)
  sees_earlier: bool = False  # True: text sees all media so far (table 10 ii)

  def __post_init__(self):
    if self.xattn not in XATTNS:
      raise UserError(
          f'decoder.xattn is {self.xattn!r}: it is one of {", ".join(XATTNS)}'
      )
    if self.xattn == 'single' and not self.tail_layers:
      raise UserError(
          f'{self.layers} layers in groups of {self.xattn_every} leave no '
          'shorter last group for a single block to stand before: make '
          f'decoder.xattn_every {self.layers // 2 + 1}, for the middle'
      )
    if self.xattn == 'vanilla' and self.xattn_every != 1:
      raise UserError(
          'vanilla cross-attention stands in every layer: make '
          'decoder.xattn_every 1'
      )

  @property
  def blocks(self) -> int:
    """How often text sees media on its way through the trunk."""
    return {
        'dense': self.groups + bool(self.tail_layers),
        'single': 1,
        'vanilla': self.layers,
        'grafted': self.graft_layers,
    }[self.xattn]

  @property
  def graft_layers(self) -> int:
    """Layers on top of the language model; 0 but for 'grafted'.

    The paper tells no number: as many as have the parameters of a gated block
    for each layer, of 12 D^2 to 17 D^2.
    """
    return round(self.layers * 12 / 17) if self.xattn == 'grafted' else 0

  @property
  def groups(self) -> int:
    """Full groups of one gated block and `xattn_every` layers."""
    return self.layers // self.xattn_every

  @property
  def tail_layers(self) -> int:
    """Layers of the shorter last group; 0 where there is none."""
    return self.layers % self.xattn_every


def scan(
    module: type[nn.Module], length: int, axis: str, broadcast: int,
    unroll: int = 1,
):
  """The module scanned `length` times, its parameters stacked in front.

  Calls take the carry, then what is stacked alike (a cache, or None), then
  `broadcast` arguments that every step gets whole.
  """
  return nn.scan(
      module,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(0,) + (nn.broadcast,) * broadcast,
      length=length,
      unroll=unroll,
      metadata_params={nn.PARTITION_NAME: axis},
  )


def remat(config: DecoderConfig, module: type[nn.Module]) -> type[nn.Module]:
  """The module, of which the backward pass keeps what the config says."""
  return nn.remat(
      module, policy=REMAT_POLICIES[config.remat], prevent_cse=False
  )


class DecoderLayer(nn.Module):
  """One pre-norm layer of the frozen language model, with GELU."""

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
    x, new = _attend_to_text(
        self.config, self.dtype, x, cache, position, segments
    )
    return _feed_forward(x, self.dtype), new


class CrossAttendingLayer(nn.Module):
  """A layer with cross-attention between its parts ('vanilla', 'grafted')."""

  config: DecoderConfig
  dtype: str

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      cache: GroupCache | None,
      position: Int[Array, 'B'] | None,
      segments: Int[Array, 'B L'] | None,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'],
  ) -> tuple[Float[Array, 'B L D'], GroupCache | None]:
    """As DecoderLayer, whose names it has, and as DecoderGroup for media."""
    cfg = self.config
    x, new = _attend_to_text(
        cfg, self.dtype, x, cache and cache.layers, position, segments
    )
    x, keys = GatedCrossAttentionBlock(
        cfg.heads, cfg.head_size, self.dtype, cfg.gated, dense=False,
        name='xattn',
    )(x, cache.media if media is None else media, mask)
    x = _feed_forward(x, self.dtype)
    if cache is None:
      return x, None
    return x, GroupCache(new, None if media is None else keys)


def _attend_to_text(
    config: DecoderConfig,
    dtype: str,
    x: Float[Array, 'B L D'],
    cache: LayerCache | None,
    position: Int[Array, 'B'] | None,
    segments: Int[Array, 'B L'] | None,
) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
  """The self-attention of the layer that calls it."""
  y = RMSNorm(dtype, name='attn_norm')(x)
  y, new = SelfAttention(
      config.heads, config.head_size, Relative, dtype, name='attn'
  )(y, cache, position, segments)
  return x + y, new


def _feed_forward(x: Float[Array, 'B L D'], dtype: str) -> Float[Array, 'B L D']:
  """The feed-forward of the layer that calls it."""
  y = RMSNorm(dtype, name='ffw_norm')(x)
  x += FeedForward(jax.nn.gelu, dtype, name='ffw')(y)
  return constrain(x, 'text', 'length', 'embed')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How else text could see media (Flamingo §3.3, tables 3 iii, 3 iv and 10 ii)."""

from collections.abc import Mapping

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.models.branches import Segments
from flamingo_jax.models.cache import GroupCache, KeptKeys
from flamingo_jax.models.cross_attention import GatedCrossAttentionBlock
from flamingo_jax.models.decoder import Decoder, DecoderGroup
from flamingo_jax.models.decoder_layer import DecoderLayer, Numbers
from flamingo_jax.models.layer_stack import remat, scan
from flamingo_jax.typing import Array, Bool, Float, Int, Tree


class UngatedBlock(GatedCrossAttentionBlock):
  """What text sees is added as it is (3 iii): at init it is no identity."""

  def gate(self, name: str, width: int) -> Float[Array, '']:
    """1."""
    del width
    return jnp.ones((), self.dtype)


class UngatedGroup(DecoderGroup):
  """With such blocks."""

  block: type[nn.Module] = UngatedBlock


class SparseBlock(GatedCrossAttentionBlock):
  """x + tanh(a) xattn(x, media), without a feed-forward of its own (3 iv)."""

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      media: Float[Array, 'B S D'] | KeptKeys,
      mask: Bool[Array, 'B L S'],
  ) -> tuple[Float[Array, 'B L D'], KeptKeys]:
    """As GatedCrossAttentionBlock."""
    y, media = self.attend(x, media, mask)
    return x + self.gate('attn_gate', x.shape[-1]) * y, media


class CrossAttendingLayer(DecoderLayer):
  """A layer that sees media between its self-attention and feed-forward."""

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[GroupCache | None, Numbers],
      position: Int[Array, 'B'] | None,
      segments: Segments,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'],
  ) -> tuple[Float[Array, 'B L D'], GroupCache | None]:
    """As DecoderLayer, and as DecoderGroup for media."""
    cfg = self.config
    cache, numbers = stacked
    y, new = self.attend(
        x, (cache and cache.layers, numbers), position, segments
    )
    x, keys = SparseBlock(cfg.sized_block, self.dtype, name='xattn')(
        x + y, cache.media if media is None else media, mask
    )
    x = self.feed_forward(x)
    if cache is None:
      return x, None
    return x, GroupCache(new, None if media is None else keys)


class VanillaGroup(DecoderGroup):
  """VANILLA XATTN (3 iv): the language model's own layers see media."""

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[GroupCache | None, Int[Array, ''] | None, Numbers],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Segments,
      weights: Tree | None,
  ) -> tuple[Float[Array, 'B L D'], GroupCache | None]:
    """As DecoderGroup; what is trained stands among all groups' weights."""
    if mask is None:
      return super().__call__(
          x, stacked, position, media, mask, segments, weights
      )
    cfg = self.config
    layer = remat(cfg.remat, CrossAttendingLayer)
    layers = scan(self, layer, self.layers, 'layers', 4)
    return layers(cfg, self.dtype, name='lm')(
        x, stacked[::2], position, segments, media, mask
    )


class GraftedDecoder(Decoder):
  """GRAFTING (3 iv): layers from scratch on top of the language model as it is.

  The paper tells no number: as many as have the parameters of a gated block for
  each layer of the language model, of 12 D^2 to 17 D^2.
  """

  def stacks(self) -> dict[str, tuple[int, ...]]:
    """With the layers on top."""
    return super().stacks() | {'graft': (round(self.config.layers * 12 / 17),)}

  def trunk(
      self,
      x: Float[Array, 'B L D'],
      stacks: Mapping[str, GroupCache],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Segments,
  ) -> tuple[Float[Array, 'B L D'], dict[str, GroupCache | None]]:
    """As Decoder."""
    cfg = self.config
    x, new = super().trunk(x, stacks, position, None, None, segments)
    if mask is None:
      return x, new
    (count,) = self.stacks()['graft']
    layer = remat(cfg.remat, CrossAttendingLayer)
    layers = scan(self, layer, count, 'layers', 4)
    x, graft = layers(cfg, self.dtype, name='graft')(
        x, (stacks.get('graft'), {}), position, segments, media, mask
    )
    return x, new | {'graft': graft}


class AllPreviousImagesDecoder(Decoder):
  """Text sees all media before it, not the last one alone (10 ii)."""

  latents: int = 64  # of each medium, R

  def visible(
      self, media_index: Int[Array, 'B L'], media: int, latents: int
  ) -> Bool[Array, 'B L S']:
    """media_index 2 of M = 3 media with R = 2 latents: [1 1 1 1 0 0]."""
    medium = jnp.arange(media * latents) // self.latents + 1
    return media_index[..., None] >= medium

  def remember(
      self, stacks: Mapping[str, GroupCache], medium: Int[Array, 'B'],
      latents: int,
  ) -> tuple[Mapping[str, GroupCache], Int[Array, 'B']]:
    """All of it."""
    return stacks, medium

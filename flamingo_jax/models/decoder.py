# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The decoder: a frozen language model with GATED XATTN-DENSE blocks between.

The trunk is a scan over groups: one gated block, then `xattn_every` layers of
the language model (Flamingo §2.2, B.1.1: "starting from the very first layer
and before every k-th block"). Where k does not divide the depth, a shorter
`tail` group ends it.
"""

from collections.abc import Callable
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.models.cache import Cache, GroupCache, LayerCache
from flamingo_jax.models.cross_attention import (
    GatedCrossAttentionBlock,
    visible_latents,
)
from flamingo_jax.models.decoder_layer import (
    REMAT_POLICIES,
    CrossAttendingLayer,
    DecoderConfig,
    DecoderLayer,
    remat,
    scan,
)
from flamingo_jax.models.layers import Einsum, RMSNorm, partitioned
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int


@struct.dataclass
class GroupWeights:
  """The language model's weights of all groups [G, k, ...], and which to use.

  A scan over groups would hand each of them a copy of its part, which the scan
  over its layers then cuts again: a tenth of a step's time at 80B. So the
  layers take theirs from the whole, which is frozen and gets no gradient.
  """

  weights: Any
  group: Int[Array, '']

  def apply(
      self, layer: nn.Module, count: int, policy: Callable[..., bool],
      x: Float[Array, 'B L D'], cache: LayerCache | None,
      position: Int[Array, 'B'] | None, segments: Int[Array, 'B L'] | None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """The layers of the group, one after the other."""
    @functools.partial(jax.checkpoint, policy=policy, prevent_cse=False)
    def step(x, weights, group, index, cache):
      params = jax.tree.map(lambda w: w[group, index], weights)
      return layer.apply({'params': params}, x, cache, position, segments)

    return jax.lax.scan(
        lambda x, at: step(x, self.weights, self.group, *at), x,
        (jnp.arange(count), cache),
    )


class DecoderGroup(nn.Module):
  """A gated block and the language model's layers behind it."""

  config: DecoderConfig
  layers: int
  dtype: str

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[GroupCache | None, Int[Array, ''] | None],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Int[Array, 'B L'] | None,
      weights: Any,
  ) -> tuple[Float[Array, 'B L D'], GroupCache | None]:
    """The residual stream, and the entries to append to a cache.

    Args:
      x: the residual stream.
      stacked: the group's cache, and its place among the groups.
      position: where each row continues its cache.
      media: keys for the gated block; None: those of the cache.
      mask: which of them each token sees. None: the gated block is left out,
        which is the bare language model.
      segments: which document of its row each token is of; None: all of one.
      weights: the language model's, of all groups. None: the group's own.
    """
    cfg = self.config
    cache, group = stacked
    keys = None
    rematted = functools.partial(remat, cfg)
    if mask is not None and cfg.xattn == 'vanilla':
      return scan(rematted(CrossAttendingLayer), self.layers, 'layers', 4)(
          cfg, self.dtype, name='lm'
      )(x, cache, position, segments, media, mask)
    if mask is not None:
      x, keys = rematted(GatedCrossAttentionBlock)(
          cfg.heads, cfg.head_size, self.dtype, cfg.gated, name='xattn'
      )(x, cache.media if media is None else media, mask)
      x = constrain(x, 'text', 'length', 'embed')
    layers = None if cache is None else cache.layers
    if weights is None:
      x, layers = scan(rematted(DecoderLayer), self.layers, 'layers', 2)(
          cfg, self.dtype, name='lm'
      )(x, layers, position, segments)
    else:
      x, layers = GroupWeights(weights, group).apply(
          DecoderLayer(cfg, self.dtype, parent=None), self.layers,
          REMAT_POLICIES[cfg.remat], x, layers, position, segments,
      )
    if cache is None:
      return x, None
    return x, GroupCache(layers, None if media is None else keys)


class Decoder(nn.Module):
  """Tokens and latents to logits over the vocabulary and <EOC>."""

  config: DecoderConfig
  dtype: str
  added: bool = True  # <EOC>, which the language model alone does not know

  @nn.compact
  def __call__(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      cache: Cache | None = None,
      position: Int[Array, 'B'] | None = None,
      last: Int[Array, 'B'] | None = None,
      segments: Int[Array, 'B L'] | None = None,
  ) -> tuple[Float[Array, 'B _ V'], dict[str, GroupCache | None]]:
    """Runs the trunk over L new tokens.

    Args:
      tokens: ids; `config.vocab` is <EOC>.
      media_index: the medium each token sees, 0 for none. None: the gated
        blocks are left out, which is the frozen language model.
      latents: of all media. None: the cache has their keys and values.
      cache: what came before, or an empty one to fill.
      position: where each row continues its cache; None: at its start.
      last: the one token of each row to give logits for; None: all.
      segments: which document of its row each token is of, without a cache;
        None: a row is one document.

    Returns:
      Float32 logits of the next token, and the caches of 'groups', 'tail' and
      'graft' with the new tokens written.
    """
    cfg = self.config
    embed, unembed = self.embeddings()
    x = embed(tokens)
    media, mask = None, None
    if latents is not None:
      # Of a text's media, as what follows: left as the resampler splits them,
      # their gradient would be gathered whole on every chip, 6 GB at 80B.
      latents = constrain(latents, 'batch', None, None, 'vision_embed')
      media = Einsum(
          'BMRV,VD->BMRD', (latents.shape[-1], cfg.width),
          ('vision_embed', 'embed'), dtype=self.dtype, name='media_projection',
      )(latents)
      media = media.reshape(len(media), -1, cfg.width)  # S = M R keys
      media = constrain(media, 'batch', None, 'embed')
    if media_index is not None:
      count, size = (
          (cache.media, cache.media_size) if latents is None
          else latents.shape[1:3]
      )
      mask = visible_latents(media_index, count, size, cfg.sees_earlier)
    stacks = {
        name: None if cache is None else getattr(cache, name)
        for name in ('groups', 'tail', 'graft')
    }
    x, stacks = self.trunk(x, stacks, position, media, mask, segments)
    if last is not None:
      x = jnp.take_along_axis(x, last[:, None, None], axis=1)
    return unembed(RMSNorm(self.dtype, name='final_norm')(x)), stacks

  def trunk(
      self,
      x: Float[Array, 'B L D'],
      stacks: dict[str, GroupCache | None],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S D'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Int[Array, 'B L'] | None,
  ) -> tuple[Float[Array, 'B L D'], dict[str, GroupCache | None]]:
    """All layers; arguments are those of DecoderGroup, `stacks` its caches."""
    cfg = self.config
    new = {}
    weights, blocks, none = None, (media, mask), (None, None)
    # Without gated blocks the language model may be what is trained: gradients
    # of each layer's weights then go to their place in the stack. Vanilla
    # blocks are among these weights.
    if (
        mask is not None and not self.is_initializing()
        and cfg.xattn != 'vanilla'
    ):
      weights = self.variables['params']['groups']['lm']
    x, new['groups'] = scan(
        DecoderGroup, cfg.groups, 'groups', 5, cfg.unroll
    )(cfg, cfg.xattn_every, self.dtype, name='groups')(
        x, (stacks['groups'], jnp.arange(cfg.groups)), position,
        *(blocks if cfg.xattn in ('dense', 'vanilla') else none), segments,
        weights,
    )
    if cfg.tail_layers:
      x, new['tail'] = DecoderGroup(
          cfg, cfg.tail_layers, self.dtype, name='tail'
      )(
          x, (stacks['tail'], None), position,
          *(none if cfg.xattn == 'grafted' else blocks), segments, None,
      )
    if cfg.graft_layers and mask is not None:
      x, new['graft'] = scan(
          remat(cfg, CrossAttendingLayer), cfg.graft_layers, 'layers', 4
      )(cfg, self.dtype, name='graft')(
          x, stacks['graft'], position, segments, media, mask
      )
    return x, {
        name: stack and stack.append(new[name], position)
        for name, stack in stacks.items()
    }

  def embeddings(self) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Maps into and out of the trunk, over one tied table.

    <EOC>, the only entry added to the vocabulary (v1 §3.2.1), has a row of its
    own: the frozen table then needs no gradient mask.
    """
    cfg = self.config
    normal = nn.initializers.normal(stddev=cfg.width**-0.5)
    param = lambda name, axis, size: self.param(
        name, partitioned(normal, axis, 'embed'), (size, cfg.width), jnp.float32
    ).astype(self.dtype)
    table = param('token_embedder', 'vocab', cfg.vocab)
    added = None
    if self.added:
      added = param('new_token_embedding', 'new_vocab', 1)

    def embed(tokens):
      is_added = tokens >= cfg.vocab
      x = table[jnp.where(is_added, 0, tokens)]
      # Each device of 'model' looks up what it has, and these are summed: less
      # to send than the table.
      x = constrain(x, 'batch', None, 'embed')
      if added is not None:
        x = jnp.where(is_added[..., None], added[0], x)
      # Rows have norm 1, as logits want; the trunk's input has variance 1, or
      # the first layer would drown it. No paper of the family says.
      x *= cfg.width**0.5
      return constrain(x, 'text', 'length', 'embed')

    def unembed(x):
      x = constrain(x, 'batch', None, 'embed')
      logits = lambda rows: jnp.einsum(
          'BLD,VD->BLV', x, rows, preferred_element_type=jnp.float32
      )
      known = constrain(logits(table), 'batch', 'length', 'vocab')
      if added is None:
        return known
      return jnp.concatenate([known, logits(added)], axis=-1)

    return embed, unembed

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The decoder: a frozen language model with GATED XATTN-DENSE blocks between.

The trunk is a scan over groups: one gated block, then `xattn_every` layers of
the language model (Flamingo §2.2, B.1.1: "starting from the very first layer
and before every k-th block"). Where k does not divide the depth, a shorter
`tail` group ends it.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

from flax import linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.models.attention import LayerCache, RelativeSelfAttention
from flamingo_jax.models.cache import Cache, GroupCache
from flamingo_jax.models.cross_attention import (
    GatedCrossAttentionBlock,
    visible_latents,
)
from flamingo_jax.models.layers import Einsum, FeedForward, RMSNorm, partitioned
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
    cfg = self.config
    y = RMSNorm(self.dtype, name='attn_norm')(x)
    y, new = RelativeSelfAttention(
        cfg.heads, cfg.head_size, self.dtype, name='attn'
    )(y, cache, position, segments)
    x += y
    y = RMSNorm(self.dtype, name='ffw_norm')(x)
    x += FeedForward(jax.nn.gelu, self.dtype, name='ffw')(y)
    return constrain(x, 'text', 'length', 'embed'), new


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
    rematted = lambda module: nn.remat(
        module, policy=REMAT_POLICIES[cfg.remat], prevent_cse=False
    )
    if mask is not None:
      x, keys = rematted(GatedCrossAttentionBlock)(
          cfg.heads, cfg.head_size, self.dtype, name='xattn'
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
  ) -> tuple[Float[Array, 'B _ V'], tuple[GroupCache | None, GroupCache | None]]:
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
      Float32 logits of the next token, and the groups' caches with the new
      tokens written.
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
          (1, cache.media_size) if latents is None else latents.shape[1:3]
      )
      mask = visible_latents(media_index, count, size)
    groups, tail = (None, None) if cache is None else (cache.groups, cache.tail)
    weights = None
    # Without gated blocks the language model may be what is trained: gradients
    # of each layer's weights then go to their place in the stack.
    if mask is not None and not self.is_initializing():
      weights = self.variables['params']['groups']['lm']
    x, new = scan(DecoderGroup, cfg.groups, 'groups', 5, cfg.unroll)(
        cfg, cfg.xattn_every, self.dtype, name='groups'
    )(
        x, (groups, jnp.arange(cfg.groups)), position, media, mask, segments,
        weights,
    )
    groups = groups and groups.append(new, position)
    if cfg.tail_layers:
      x, new = DecoderGroup(cfg, cfg.tail_layers, self.dtype, name='tail')(
          x, (tail, None), position, media, mask, segments, None
      )
      tail = tail and tail.append(new, position)
    if last is not None:
      x = jnp.take_along_axis(x, last[:, None, None], axis=1)
    return unembed(RMSNorm(self.dtype, name='final_norm')(x)), (groups, tail)

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

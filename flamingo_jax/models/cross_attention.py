# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""GATED XATTN-DENSE: how text sees media (Flamingo §2.2, A.1.2, A.1.3)."""

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models.attention import (
    HeadsProjection,
    OutputProjection,
    attend,
    dot_scores,
)
from flamingo_jax.models.cache import Cache, KeptKeys, keep_media
from flamingo_jax.models.decoder_config import BlockConfig
from flamingo_jax.models.layers import (
    ACTIVATIONS,
    NORMS,
    FeedForward,
    parameter,
)
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int


def visible_latents(
    media_index: Int[Array, 'B L'], media: int, latents: int
) -> Bool[Array, 'B L S']:
  """Which of the S = M R latents each text token sees: those of its medium.

  media_index 2 of M = 3 media with R = 2 latents: [0 0 1 1 0 0]. Index 0 sees
  nothing. Earlier media reach later text through the language model only.
  """
  seen = media_index[..., None] == jnp.arange(1, media + 1)
  return jnp.repeat(seen, latents, axis=-1)


def visible_in_groups(
    media_index: Int[Array, 'B L'],
    latents: Float[Array, 'B M R Dr'],
    segments: Int[Array, 'B L'] | None,
) -> Bool[Array, 'B L S']:
  """The same where media that no text parts are seen together (Llama 3.2).

  media_index [0 1 1 2 3 3] with tags of one token: the last three tokens see
  media 2, 2 and 3, and 2 and 3. Latents of zeros, of tiles that are none, are
  not seen.
  """
  before = jnp.pad(media_index[:, :-1], ((0, 0), (1, 0)))
  is_tag = (media_index != before) & (media_index > 0)
  is_behind_tag = jnp.pad(is_tag[:, :-1], ((0, 0), (1, 0)))
  if segments is not None:
    is_behind_tag &= segments == jnp.pad(segments[:, :-1], ((0, 0), (1, 0)))
  begins = is_tag & ~(is_behind_tag & (media_index == before + 1))
  first = jax.lax.cummax(jnp.where(begins, media_index, 0), axis=1)
  medium = jnp.arange(1, latents.shape[1] + 1)
  index, first = media_index[..., None], first[..., None]
  seen = (first <= medium) & (medium <= index)
  is_there = jnp.any(latents != 0, axis=-1)[:, None]
  return (seen[..., None] & is_there).reshape(*media_index.shape, -1)


def remember_group(
    cache: Cache, media_index: Int[Array, 'B L'],
    latents: Float[Array, 'B M R Dr'], last: Int[Array, 'B'],
    medium: Int[Array, 'B'], count: int,
) -> Cache:
  """Of the keys of M media those of the last ones that each row saw together.

  Args:
    cache: what has been read, with keys of all media.
    media_index: the medium that each token sees last.
    latents: of all media.
    last: the last token of each row.
    medium: that it sees last; 0: none.
    count: media that are kept, at least as many as any row saw.
  """
  seen = visible_in_groups(media_index, latents, None)
  seen = jnp.take_along_axis(seen, last[:, None, None], axis=1)
  seen = seen.reshape(latents.shape[:3])
  index = medium[:, None] + jnp.arange(-count, 0)
  at = jnp.maximum(index, 0)
  seen = jnp.take_along_axis(seen, at[..., None], axis=1)
  seen &= (index >= 0)[..., None]
  return cache.replace(
      medium=medium, seen=seen.reshape(len(seen), -1), stacks={
          name: keep_media(stack, at, latents.shape[2])
          for name, stack in cache.stacks.items()
      },
  )


class GatedCrossAttentionBlock(nn.Module):
  """x + tanh(a) xattn(x, media), then x + tanh(b) ffw(x); identity at init."""

  config: BlockConfig  # with heads and their size
  dtype: str = 'float32'

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      media: Float[Array, 'B S Dm'] | KeptKeys,
      mask: Bool[Array, 'B L S'],
  ) -> tuple[Float[Array, 'B L D'], KeptKeys]:
    """The residual stream with what the tokens see, and keys of the media.

    Media are latents, or their keys and values from an earlier call. The
    feed-forward acts on tokens that see none too, as in the paper, unless it is
    masked.
    """
    cfg = self.config
    y, media = self.attend(x, media, mask)
    x += self.gate('attn_gate', x.shape[-1]) * y
    y = self._norm('ffw_norm')(x)
    y = FeedForward(
        ACTIVATIONS[cfg.activation], self.dtype, hidden=cfg.mlp_width,
        gated=cfg.gated, name='ffw',
    )(y)
    if cfg.masked_ffw:
      y = jnp.where(jnp.any(mask, axis=-1, keepdims=True), y, 0)
    return x + self.gate('ffw_gate', x.shape[-1]) * y, media

  def attend(
      self,
      x: Float[Array, 'B L D'],
      media: Float[Array, 'B S Dm'] | KeptKeys,
      mask: Bool[Array, 'B L S'],
  ) -> tuple[Float[Array, 'B L D'], KeptKeys]:
    """What the tokens see, and the keys and values of the media."""
    cfg = self.config
    kv_heads = cfg.kv_heads or cfg.heads
    project = lambda name, axis, heads=cfg.heads: HeadsProjection(
        heads, cfg.head_size, self.dtype, axis=axis, name=name
    )
    if not isinstance(media, KeptKeys):
      if cfg.maps_media:  # one norm serves keys and values (v1 §3.1.2)
        media = self._norm('media_norm')(media)
      keys, values = (
          project(name, 'kv_heads', kv_heads)(media)
          for name in ('key', 'value')
      )
      if cfg.qk_norm:
        keys = self._norm('key_norm', 'kv')(keys)
      media = KeptKeys(keys, values)
    y = self._norm('attn_norm')(x)
    y = constrain(y, 'batch', None, 'embed')
    queries = project('query', 'heads')(y)
    if cfg.qk_norm:
      queries = self._norm('query_norm', 'kv')(queries)
    if (group := cfg.heads // kv_heads) > 1:  # as in SelfAttention
      shape = queries.shape
      queries = queries.reshape(len(x), kv_heads, -1, cfg.head_size)
      mask = jnp.tile(mask, (1, group, 1))
    y = attend(dot_scores(queries, media.keys), media.values, mask)
    if group > 1:
      y = y.reshape(shape)
    return OutputProjection(x.shape[-1], self.dtype, name='out')(y), media

  def gate(self, name: str, width: int) -> Float[Array, '*D']:
    """tanh of a learnt scalar, or of one for each channel, that starts at 0.

    tanh(0) = 0: the frozen model's logits are untouched at step 0.
    """
    is_vector = self.config.vector_gates
    gate = parameter(
        self, name, nn.initializers.zeros, ('embed',) * is_vector,
        (width,) * is_vector,
    )
    return jnp.tanh(gate).astype(self.dtype)

  def _norm(self, name: str, axis: str = 'embed') -> nn.Module:
    cfg = self.config
    return NORMS[cfg.norm](self.dtype, cfg.norm_eps, axis, name=name)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Causal self-attention of a language model, with a cache or without."""

from collections.abc import Mapping
import functools

from flax import linen as nn
import jax.numpy as jnp

from flamingo_jax.models import positions
from flamingo_jax.models.attention import (
    HeadsProjection,
    OutputProjection,
    attend,
    attend_behind,
)
from flamingo_jax.models.branches import (
    Branches,
    Segments,
    keys_at,
    stand_at,
    visible,
)
from flamingo_jax.models.cache import LayerCache
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.layers import NORMS
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int


class SelfAttention(nn.Module):
  """Causal self-attention over a text, and over what is cached of it.

  Where several heads of queries share one of keys, they stand one after the
  other in the axis of queries, so that all below sees as many heads as keys
  have.
  """

  config: DecoderConfig
  dtype: str = 'float32'

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      cache: LayerCache | None = None,
      position: Int[Array, 'B'] | None = None,
      segments: Segments = None,
      numbers: Mapping[str, Int[Array, '']] | None = None,
  ) -> tuple[Float[Array, 'B L D'], LayerCache | None]:
    """Attention of L new tokens.

    Args:
      x: the new tokens.
      cache: what came before, or an empty one to fill. None for a full forward
        pass without one.
      position: where row b continues its cache. None: at the cache's start,
        so that the tokens are 0 .. L-1 if no others are shared.
      segments: of a row of several documents, without a cache: tokens see
        those of their own number. Or branches, behind a cache.
      numbers: what differs from layer to layer, of this one.

    Returns:
      The attention output, and the entries to append to a cache that is given.
    """
    cfg, layer, numbers = self.config, self.config.layer, numbers or {}
    length, width = x.shape[1:]
    place = positions.make(cfg, width, self.dtype)
    nn.share_scope(self, place)
    # Gathered once for the three, and their gradients summed before they are
    # split again.
    x = constrain(x, 'batch', None, 'embed')
    queries = self._project('query', x)
    keys = self._project('key', x)
    values = self._project('value', x)

    first = position
    if position is None:
      first = 0 if cache is None else cache.start
    room = length if cache is None else cache.size
    kind = numbers.get('rotary', layer.rotary_kinds[0])
    queries, keys, relative = place.at(
        queries, keys, first, room, kind, segments
    )
    new = LayerCache(keys, values, relative)
    if position is None:
      seen = new.replace(shared=cache and cache.shared)
    elif isinstance(segments, Branches):
      seen = cache.beside(new)
    else:
      seen = cache.append(new, position)

    group = cfg.heads // cfg.kv_heads
    queries = queries.reshape(
        len(x), cfg.kv_heads, group * length, cfg.head_size
    )
    scores, before = place.scores(queries, seen, first, segments)
    if layer.attention_cap:
      cap = lambda s: layer.attention_cap * jnp.tanh(s / layer.attention_cap)
      scores, before = cap(scores), None if before is None else cap(before)
    mask = visible(first, seen.start, length, scores.shape[-1], segments)
    window = numbers.get('window', layer.windows[0])
    near = functools.partial(
        _within, window, stand_at(first, length, segments)
    )
    if not isinstance(window, int) or window:
      mask &= near(keys_at(first, seen.start, scores.shape[-1], segments))
    mask = jnp.tile(mask, (1, group, 1))
    if before is None:
      y = attend(scores, seen.values, mask)
    else:
      shared_mask = None
      if not isinstance(window, int) or window:
        shared_mask = jnp.tile(
            near(jnp.arange(before.shape[-1])[None]), (1, group, 1)
        )
      y = attend_behind(
          before, seen.shared.values, scores, seen.values, mask, shared_mask
      )
    y = y.reshape(len(x), cfg.heads, length, cfg.head_size)
    y = OutputProjection(width, self.dtype, bias=layer.out_bias, name='out')(y)
    return y, None if cache is None else new

  def _project(
      self, name: str, x: Float[Array, 'B L D']
  ) -> Float[Array, 'B H L K']:
    """Queries, keys or values; of the first two with their norm."""
    cfg, layer = self.config, self.config.layer
    heads, axis = cfg.heads, 'heads'
    if name != 'query':
      heads, axis = cfg.kv_heads, 'kv_heads'
    norm = None
    if layer.qk_norm != 'none' and name != 'value':
      norm = NORMS[layer.norm](
          self.dtype, layer.norm_eps,
          'kv' if layer.qk_norm == 'head' else axis, name=f'{name}_norm',
      )
    of_whole = norm if layer.qk_norm == 'whole' else None
    y = HeadsProjection(
        heads, cfg.head_size, self.dtype, axis=axis, bias=layer.qkv_bias,
        as_one=functools.partial(_as_one, layer.qkv_clip, of_whole), name=name,
    )(x)
    return norm(y) if layer.qk_norm == 'head' and norm is not None else y


def _as_one(
    clip: float, norm: nn.Module | None, y: Float[Array, '*B L F']
) -> Float[Array, '*B L F']:
  """All heads, clipped and then normed (llm-foundry's order)."""
  y = jnp.clip(y, -clip, clip) if clip else y
  return y if norm is None else norm(y)


def _within(
    window: Int[Array, ''] | int, at: Int[Array, '#B L'],
    keys: Int[Array, '#B S'],
) -> Bool[Array, '#B L S']:
  """Whether keys are among the last `window` of queries `at`; 0: all are."""
  distance = at[..., None] - keys[:, None]
  return (distance < window) | (jnp.asarray(window) == 0)

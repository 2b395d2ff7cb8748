# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The decoder: a frozen language model with GATED XATTN-DENSE blocks between.

The trunk is a scan over groups: one gated block, then `xattn_every` layers of
the language model (Flamingo §2.2, B.1.1: "starting from the very first layer
and before every k-th block"). Where k does not divide the depth, a shorter
`tail` group ends it; layers before the first block, if any, are the `head`.
"""

from collections.abc import Callable, Mapping

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models import lora
from flamingo_jax.models.branches import Branches, Segments, in_documents
from flamingo_jax.models.cache import (
    Cache,
    GroupCache,
    empty_layers,
    keep_media,
)
from flamingo_jax.models.cross_attention import (
    GatedCrossAttentionBlock,
    remember_group,
    visible_in_groups,
    visible_latents,
)
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.decoder_layer import DecoderLayer, Numbers, make_norm
from flamingo_jax.models.layer_stack import (
    per_turn,
    remat,
    scan,
    scan_frozen,
)
from flamingo_jax.models.layers import Einsum, parameter
from flamingo_jax.models.unembedding import Unembedding
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int, Tree


class DecoderGroup(nn.Module):
  """A gated block and the language model's layers behind it."""

  config: DecoderConfig
  layers: int
  dtype: str
  block: type[nn.Module] = GatedCrossAttentionBlock

  @nn.compact
  def __call__(
      self,
      x: Float[Array, 'B L D'],
      stacked: tuple[GroupCache | None, Int[Array, ''] | None, Numbers],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S Dm'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Segments,
      weights: Tree | None,
  ) -> tuple[Float[Array, 'B L D'], GroupCache | None]:
    """The residual stream, and the entries to append to a cache.

    Args:
      x: the residual stream.
      stacked: the group's cache, its place among the groups, and what differs
        from layer to layer.
      position: where each row continues its cache.
      media: keys for the gated block; None: those of the cache.
      mask: which of them each token sees. None: the gated block is left out,
        which is the bare language model.
      segments: which document of its row each token is of, or branches.
      weights: the language model's, of all groups, but for the factors of
        low-rank updates. None: the group's own.
    """
    cfg = self.config
    cache, group, numbers = stacked
    keys = None
    if mask is not None:
      x, keys = remat(cfg.remat, self.block, cache)(
          cfg.sized_block, self.dtype, name='xattn'
      )(x, cache.media if media is None else media, mask)
      x = constrain(x, 'text', 'length', 'embed')
    layers = cache and cache.layers, numbers
    unroll = per_turn(self.layers, cfg.width, cache)
    if weights is None:
      x, layers = scan(
          self, remat(cfg.remat, DecoderLayer, cache), self.layers, 'layers', 2,
          unroll,
      )(cfg, self.dtype, name='lm')(x, layers, position, segments)
    else:
      factors, _ = lora.split(self.variables['params']['lm'])
      x, layers = scan_frozen(
          DecoderLayer(cfg, self.dtype, parent=None), cfg.remat, weights,
          factors, group, x, layers, position, segments, unroll=unroll,
      )
    if cache is None:
      return x, None
    return x, GroupCache(layers, None if media is None else keys)


class Decoder(nn.Module):
  """Tokens and latents to what scores of the next token are made of."""

  config: DecoderConfig
  dtype: str
  # Whether entries are added, which the language model alone does not know.
  added: bool = True
  group: type[DecoderGroup] = DecoderGroup

  @nn.compact
  def __call__(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      cache: Cache | None = None,
      position: Int[Array, 'B'] | None = None,
      last: Int[Array, 'B'] | None = None,
      segments: Segments = None,
  ) -> tuple[Float[Array, 'B _ D'], Unembedding, dict[str, GroupCache]]:
    """Runs the trunk over L new tokens.

    Args:
      tokens: ids, at most `config.context` (else UserError); from `config.vocab`
        those that are added.
      media_index: the medium each token sees, 0 for none. None: the gated
        blocks are left out, which is the frozen language model.
      latents: of all media. None: the cache has their keys and values.
      cache: what came before, or an empty one to fill.
      position: where each row continues its cache; None: at its start.
      last: the one token of each row to give the state of; None: all.
      segments: which document of its row each token is of, without a cache; or
        branches, which the cache then does not get.

    Returns:
      The last states, what maps them to scores of the next token, and the
      stacks of the cache, if there is one, with the new tokens written.
    """
    cfg = self.config
    if not isinstance(segments, Branches):  # which lie side by side
      cfg.check_length(tokens.shape[1])
    embed, unembed = self.embeddings()
    x = embed(tokens)
    if cfg.layer.positions == 'learned':
      x += self._learned_positions(tokens, cache, position, segments)
    media, mask = None, None
    if latents is not None:
      # Of a text's media, as what follows: left as the resampler splits them,
      # their gradient would be gathered whole on every chip, 6 GB at 80B.
      latents = constrain(latents, 'batch', None, None, 'vision_embed')
      media = latents
      if cfg.block.maps_media:
        media = Einsum(
            'BMRV,VD->BMRD', (latents.shape[-1], cfg.width),
            ('vision_embed', 'embed'), dtype=self.dtype,
            name='media_projection',
        )(latents)
      media = media.reshape(len(media), -1, media.shape[-1])  # S = M R keys
      media = constrain(media, 'batch', None, 'embed')
    if media_index is not None:
      mask = self._mask(media_index, latents, cache, segments)
    stacks = {} if cache is None else cache.stacks
    x, new = self.trunk(x, stacks, position, media, mask, segments)
    if isinstance(segments, Branches):
      stacks = {}
    if stacks and position is not None:
      # Never true, and writing waits for it: where XLA cannot tell that all
      # layers have read the stacks by then, it copies them, twice a token (CPU).
      position += (x[0, 0, 0] > jnp.inf).astype(jnp.int32)
    if last is not None:
      x = jnp.take_along_axis(x, last[:, None, None], axis=1)
    norm = make_norm(cfg.layer, self.dtype)(name='final_norm')
    return constrain(norm(x), 'batch', None, 'embed'), unembed, {
        name: stack.append(new[name], position)
        for name, stack in stacks.items()
    }

  def prefill(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      lengths: Int[Array, 'B'],
      cache_length: int,
      prefix: Cache | None = None,
      group: int = 0,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """See `Flamingo.prefill`; without media, the bare language model."""
    cfg = self.config
    cache = Cache(
        stacks={
            name: empty_layers(
                shape, len(tokens), cache_length, cfg.kv_heads, cfg.head_size,
                self.dtype, prefix and prefix.stacks[name],
            )
            for name, shape in self.stacks().items()
        },
        position=lengths + (prefix.size if prefix else 0),
        medium=jnp.zeros(len(tokens), jnp.int32),
    )
    return self._read(tokens, media_index, latents, lengths, cache, None, group)

  def read_on(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      lengths: Int[Array, 'B'],
      cache: Cache,
      group: int = 0,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """See `Flamingo.read_on`; without media, the bare language model."""
    start = cache.position
    return self._read(
        tokens, media_index, latents, lengths,
        cache.replace(position=start + lengths), start, group,
    )

  def _read(
      self, tokens: Int[Array, 'B L'], media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None, lengths: Int[Array, 'B'],
      cache: Cache, start: Int[Array, 'B'] | None, group: int,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """Logits behind the last of the tokens, from `start` on, and the cache."""
    cfg = self.config
    x, unembed, stacks = self(
        tokens, media_index, latents, cache, start, last=lengths - 1
    )
    cache = cache.replace(stacks=stacks)
    logits = unembed.logits(x)[:, 0]
    if media_index is None:
      return logits, cache
    medium = jnp.take_along_axis(media_index, lengths[:, None] - 1, axis=1)[:, 0]
    if cfg.block.groups_media:
      return logits, remember_group(
          cache, media_index, latents, lengths - 1, medium,
          group or latents.shape[1],
      )
    stacks, medium = self.remember(stacks, medium, latents.shape[2])
    return logits, cache.replace(medium=medium, stacks=stacks)

  def extend(
      self, tokens: Int[Array, 'B n'], cache: Cache,
      branches: Branches | None = None, sees_media: bool = True,
  ) -> tuple[Float[Array, 'B n V'], Cache]:
    """See `Flamingo.extend`; without media, the bare language model."""
    index = None
    if sees_media:
      index = jnp.broadcast_to(cache.medium[:, None], tokens.shape)
    x, unembed, stacks = self(
        tokens, index, None, cache, position=cache.position, segments=branches
    )
    if branches is None:
      position = cache.position + tokens.shape[1]
      cache = cache.replace(position=position, stacks=stacks)
    return unembed.logits(x), cache

  def trunk(
      self,
      x: Float[Array, 'B L D'],
      stacks: Mapping[str, GroupCache],
      position: Int[Array, 'B'] | None,
      media: Float[Array, 'B S Dm'] | None,
      mask: Bool[Array, 'B L S'] | None,
      segments: Segments,
  ) -> tuple[Float[Array, 'B L D'], dict[str, GroupCache | None]]:
    """All layers; arguments are those of DecoderGroup, `stacks` its caches."""
    cfg = self.config
    new, blocks, weights = {}, (media, mask), None
    stacked = lambda name, place=None: (
        stacks.get(name), place, cfg.numbers(name)
    )
    if cfg.first:
      x, new['head'] = self.group(cfg, cfg.first, self.dtype, name='head')(
          x, stacked('head'), position, None, None, segments, None
      )
    # Without gated blocks the language model may be what is trained: gradients
    # of each layer's weights then go to their place in the stack.
    if mask is not None and not self.is_initializing():
      _, weights = lora.split(self.variables['params']['groups']['lm'])
    unroll = max(
        cfg.unroll, per_turn(cfg.groups, cfg.width, stacks.get('groups'))
    )
    groups = scan(self, self.group, cfg.groups, 'groups', 5, unroll)
    x, new['groups'] = groups(cfg, cfg.xattn_every, self.dtype, name='groups')(
        x, stacked('groups', jnp.arange(cfg.groups)), position, *blocks,
        segments, weights,
    )
    if cfg.tail_layers:
      x, new['tail'] = self.group(
          cfg, cfg.tail_layers, self.dtype, name='tail'
      )(x, stacked('tail'), position, *blocks, segments, None)
    return x, new

  def stacks(self) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the stacks of layers, all of which a cache has."""
    return self.config.stacks

  def _mask(
      self,
      media_index: Int[Array, 'B L'],
      latents: Float[Array, 'B M R Dr'] | None,
      cache: Cache | None,
      segments: Segments,
  ) -> Bool[Array, 'B L S']:
    """Which latents each token sees; None: of those that the cache keeps."""
    if not self.config.block.groups_media:
      return self.visible(media_index, *(
          (1, cache.media_keys) if latents is None else latents.shape[1:3]
      ))
    if latents is None:
      seen = cache.seen[:, None]
      return jnp.broadcast_to(seen, (*media_index.shape, seen.shape[-1]))
    return visible_in_groups(media_index, latents, segments)

  def visible(
      self, media_index: Int[Array, 'B L'], media: int, latents: int
  ) -> Bool[Array, 'B L S']:
    """Which latents each token sees, of a prompt's media or the one kept."""
    return visible_latents(media_index, media, latents)

  def remember(
      self, stacks: Mapping[str, GroupCache], medium: Int[Array, 'B'],
      latents: int,
  ) -> tuple[dict[str, GroupCache], Int[Array, 'B']]:
    """What is kept of a prompt that has been read.

    Of `stacks` with the keys of R latents of each medium those of the one that
    the last token saw, as later tokens see no other, and its number there.
    """
    index = jnp.maximum(medium - 1, 0)[:, None]
    kept = {
        name: keep_media(stack, index, latents)
        for name, stack in stacks.items()
    }
    return kept, jnp.minimum(medium, 1)

  def embeddings(self) -> tuple[Callable[..., Array], Unembedding]:
    """Maps into and out of the trunk, over one tied table or two.

    <EOC>, the only entry that the paper adds (v1 §3.2.1), has a row of its own,
    into and out of it: the frozen table then needs no gradient mask. Others may
    have a second one, out of it, or none.
    """
    cfg = self.config
    normal = nn.initializers.normal(stddev=cfg.width**-0.5)
    param = lambda name, axis, size, width='embed': parameter(
        self, name, normal, (axis, width), (size, cfg.width)
    ).astype(self.dtype)
    table = param(
        'token_embedder', 'vocab', cfg.vocab,
        'embed' if cfg.tied else 'lookup_embed',
    )
    head = table
    if not cfg.tied:
      head = param('token_unembedder', 'vocab', cfg.vocab)
    added, added_head = None, None
    if self.added and cfg.added:
      added = param('new_token_embedding', 'new_vocab', cfg.added)
      added_head = added if cfg.added_scored else None
      if cfg.added_scored and not cfg.added_tied:
        added_head = param('new_token_unembedding', 'new_vocab', cfg.added)

    def embed(tokens):
      is_added = tokens >= cfg.vocab
      x = table[jnp.where(is_added, 0, tokens)]
      # Each device of 'model' looks up what it has, and these are summed: less
      # to send than the table.
      x = constrain(x, 'batch', None, 'embed')
      for i in range(cfg.added * self.added):
        is_later = tokens >= cfg.vocab + i
        x = jnp.where(is_later[..., None], added[i], x)
      # Rows have norm 1, as logits want; the trunk's input has variance 1, or
      # the first layer would drown it. No paper of the family says.
      if cfg.scaled_embedding:
        x *= cfg.width**0.5
      return constrain(x, 'text', 'length', 'embed')

    return embed, Unembedding(head, added_head, cfg.logit_cap)

  def _learned_positions(
      self,
      tokens: Int[Array, 'B L'],
      cache: Cache | None,
      position: Int[Array, 'B'] | None,
      segments: Segments,
  ) -> Float[Array, '#B L D']:
    """Of each token, in its document (GPT-2, OPT)."""
    cfg = self.config
    table = parameter(
        self, 'position_embedder', nn.initializers.normal(stddev=0.02),
        (None, 'embed'), (cfg.context, cfg.width),
    ).astype(self.dtype)
    first = position
    if position is None:
      first = 0 if cache is None else cache.start
    return table[in_documents(first, tokens.shape[1], segments)]

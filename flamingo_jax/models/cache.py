# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What decoding remembers of a prompt: an explicit argument and result."""

from collections.abc import Callable
import functools

from flax import struct
import jax
import jax.numpy as jnp

from flamingo_jax.typing import Array, Bool, Float, Int


@struct.dataclass
class KeptKeys:
  """Keys and values that are computed once per prompt, or for all prompts.

  Of the latents of a block's media [B H S K], and of the P tokens that all rows
  begin with [H P K].
  """

  keys: Float[Array, '*stack H _ K']
  values: Float[Array, '*stack H _ K']


@struct.dataclass
class LayerCache:
  """Keys and values of one self-attention layer, room for S positions.

  A layer reads it and returns the entries of its new tokens alone, in another
  one: a stack of caches that every layer wrote to would be copied per token.
  """

  keys: Float[Array, '*stack B H S K']
  values: Float[Array, '*stack B H S K']
  # Projected distances N-1 .. 0 (positions.Relative), the same for every row;
  # None until filled, and among the entries of tokens that came after.
  relative: Float[Array, '*stack H N K'] | None = None
  shared: KeptKeys | None = None  # of tokens in front of all rows' own

  @property
  def start(self) -> int:
    """P, the position of each row's first token of its own."""
    return 0 if self.shared is None else self.shared.keys.shape[-2]

  @property
  def size(self) -> int:
    """Positions there is room for, those of all rows included."""
    return self.start + self.keys.shape[-2]

  def append(
      self, new: 'LayerCache', position: Int[Array, 'B'] | None
  ) -> 'LayerCache':
    """With the entries of L new tokens, row b's from position[b] onwards.

    None puts all at `start`, with the distances, which then are new too.
    """
    write = functools.partial(_write, self.start, position)
    return self.replace(
        keys=write(self.keys, new.keys),
        values=write(self.values, new.values),
        relative=new.relative if position is None else self.relative,
    )

  def beside(self, new: 'LayerCache') -> 'LayerCache':
    """With the entries of new tokens behind all places, also the empty ones."""
    join = lambda old, entries: jnp.concatenate([old, entries], axis=-2)
    return self.replace(
        keys=join(self.keys, new.keys), values=join(self.values, new.values)
    )


def _write(
    start: int, position: Int[Array, 'B'] | None,
    old: Float[Array, '*stack B H S K'],
    entries: Float[Array, '*stack B H L K'],
) -> Float[Array, '*stack B H S K']:
  """The entries put over old ones; see LayerCache.append."""
  if position is None:
    return jax.lax.dynamic_update_slice(old, entries, (0,) * old.ndim)
  # Indexed in one step, so that the stack stays where it lies.
  rows = jnp.arange(len(position))[:, None]
  places = jnp.arange(entries.shape[-2]) - start
  places += position[:, None]
  entries = jnp.moveaxis(entries, (-4, -2), (0, 1))
  return old.at[..., rows, :, places, :].set(
      entries, unique_indices=True, mode='promise_in_bounds'
  )


@struct.dataclass
class GroupCache:
  """What is kept of a decoder group: its layers' keys, and its media's.

  The first pass (prefill) is handed empty layers and no media, and fills both.
  """

  layers: LayerCache
  media: KeptKeys | None = None

  def append(
      self, new: 'GroupCache', position: Int[Array, 'B'] | None
  ) -> 'GroupCache':
    """With new tokens' entries; media stay unless there were none."""
    return GroupCache(
        self.layers.append(new.layers, position),
        self.media if new.media is None else new.media,
    )


@struct.dataclass
class Cache:
  """All of a prompt that later tokens need; batch rows are independent.

  Leaves are stacked as their parameters are: [G, k, B, H, S, K] for the layers
  of the groups, [G, B, H, R, K] for media, [k, B, H, S, K] in the tail.
  """

  stacks: dict[str, GroupCache]  # by their names in the decoder
  position: Int[Array, 'B']  # where the next token goes
  # The medium that new tokens see, of those that are kept, from 1; 0: none.
  medium: Int[Array, 'B']
  # Where several are kept (BlockConfig.groups_media), which of their latents new
  # tokens see.
  seen: Bool[Array, 'B S'] | None = None

  @property
  def size(self) -> int:
    """Positions there is room for."""
    return next(iter(self.stacks.values())).layers.size

  @property
  def start(self) -> int:
    """The position of each row's first token of its own."""
    return next(iter(self.stacks.values())).layers.start

  @property
  def media_keys(self) -> int:
    """Keys of the media that are kept: R of the last one."""
    media = next(x.media for x in self.stacks.values() if x.media is not None)
    return media.keys.shape[-2]


def empty_layers(
    layers: tuple[int, ...], batch: int, size: int, heads: int, head_size: int,
    dtype: str, prefix: GroupCache | None = None,
) -> GroupCache:
  """Room for `size` positions in a stack of layers, behind those of a prefix.

  The prefix is the same stack's cache of one row, full.
  """
  zeros = jnp.zeros((*layers, batch, heads, size, head_size), dtype)
  shared = prefix and KeptKeys(
      prefix.layers.keys[..., 0, :, :, :], prefix.layers.values[..., 0, :, :, :]
  )
  return GroupCache(LayerCache(keys=zeros, values=zeros, shared=shared))


def keep_media(
    group: GroupCache, media: Int[Array, 'B n'], latents: int
) -> GroupCache:
  """Drops the keys of all media but n per row.

  New tokens see the last ones only, so this is exact, and the cost of a token
  does not depend on the number of shots.
  """
  def keep(x: Float[Array, '*stack B H S K']) -> Float[Array, '*stack B H _ K']:
    *stack, batch, heads, size, head_size = x.shape
    x = x.reshape(*stack, batch, heads, size // latents, latents, head_size)
    index = media.reshape(batch, 1, -1, 1, 1)
    x = jnp.take_along_axis(x, index[(None,) * len(stack)], axis=-3)
    return x.reshape(*stack, batch, heads, -1, head_size)

  return group.replace(media=jax.tree.map(keep, group.media))


def gather_cache(cache: Cache, rows: Int[Array, 'N']) -> Cache:
  """The cache of the given batch rows, for beams and candidates."""
  return _map_rows(lambda x, axis: jnp.take(x, rows, axis=axis), cache)


def put_row(cache: Cache, row: Cache, at: Int[Array, '']) -> Cache:
  """The cache with its row `at` replaced by one of a single row."""
  return _map_rows(
      lambda x, y, axis: jax.lax.dynamic_update_slice_in_dim(x, y, at, axis),
      cache, row,
  )


def _map_rows(function: Callable[..., Array], *caches: Cache) -> Cache:
  """`function(leaf of each cache, axis)` of leaves that have rows, at `axis`.

  Projected distances and a shared prefix are the same for every row.
  """
  stacked = lambda *leaves: function(*leaves, axis=leaves[0].ndim - 4)
  rows = lambda *leaves: function(*leaves, axis=0)

  def group(*groups: GroupCache) -> GroupCache:
    layers = [g.layers for g in groups]
    return GroupCache(layers[0].replace(
        keys=stacked(*(x.keys for x in layers)),
        values=stacked(*(x.values for x in layers)),
    ), jax.tree.map(stacked, *(g.media for g in groups)))

  return Cache(
      stacks={
          name: group(*(cache.stacks[name] for cache in caches))
          for name in caches[0].stacks
      },
      position=rows(*(cache.position for cache in caches)),
      medium=rows(*(cache.medium for cache in caches)),
      seen=jax.tree.map(rows, *(cache.seen for cache in caches)),
  )

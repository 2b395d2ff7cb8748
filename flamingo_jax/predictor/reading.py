# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a model has read of a prompt, to answer from and to read on from."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import jax
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.models import Cache
from flamingo_jax.predictor import shapes
from flamingo_jax.typing import Array, Float


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
  """A prompt that has been read, and what the model remembers of it.

  Nothing changes it: any number of answers and of longer prompts go on from it.

  Attributes:
    document: the prompt, tokenized.
    contents: what each of its media has in it, see `media_encoder.content`.
    latents: of each of its media. The device may still be at the last one.
    sampling: how videos were read.
    logits: of the next token.
    cache: of one row, with room for an answer.
    prompt: its parts.
  """

  document: TokenizedDocument
  contents: tuple[tuple[str, str], ...]
  latents: tuple[Float[Array | np.ndarray, '1 R Dr'], ...]
  sampling: Sampling
  logits: Float[Array, '1 V']
  cache: Cache
  prompt: Sequence[Any] = ()

  @property
  def length(self) -> int:
    """Tokens of the prompt."""
    return len(self.document.tokens)

  @property
  def room(self) -> int:
    """Positions of the cache."""
    return self.cache.size

  @property
  def shape(self) -> tuple[tuple[int, ...], ...]:
    """Of the arrays of its cache: prompts of one shape are answered together."""
    return tuple(x.shape for x in jax.tree.leaves(self.cache))

  @property
  def size(self) -> int:
    """Bytes of memory that it takes, on one device that holds all of it."""
    arrays = jax.tree.leaves((self.logits, self.cache, self.latents))
    return sum(x.nbytes for x in arrays)

  def alike(
      self, document: TokenizedDocument, contents: tuple[tuple[str, str], ...]
  ) -> int:
    """How many tokens a prompt has in common with this one, and all they saw."""
    media = common(contents, self.contents)
    ours, theirs = self.document, document
    n = min(len(ours.tokens), len(theirs.tokens))
    same = (ours.tokens[:n] == theirs.tokens[:n]) & (
        ours.media_index[:n] == theirs.media_index[:n]
    ) & (ours.media_index[:n] <= media)
    return n if same.all() else int(np.argmin(same))


def common(one: tuple, other: tuple) -> int:
  """How many entries both begin with."""
  alike = [a == b for a, b in zip(one, other)]
  return alike.index(False) if False in alike else len(alike)


@dataclasses.dataclass(frozen=True)
class Part:
  """Tokens of a document that are read in one call, and the media they see."""

  start: int
  stop: int
  room: int  # tokens of the call, padding included
  first: int  # of the media, from 0
  last: int  # behind the last of them


def parts(
    document: TokenizedDocument, start: int, room: int, context: int,
    sees_earlier: bool, groups: bool,
) -> Iterator[Part]:
  """How a document is read from `start` on, in few shapes of calls.

  Padding behind a document has to fit into the cache too, so that near its end
  more is read in smaller parts.

  Args:
    document: all of it.
    start: how many of its tokens have been read.
    room: positions of the cache.
    context: how many tokens the model reads.
    sees_earlier: whether text sees all media in front of it.
    groups: whether it sees neighbouring media together: these are then read in
      one call with what comes behind them.
  """
  index, end = document.media_index, len(document.tokens)
  if groups and start:
    medium = index[start]
    first = document.group_starts[medium - 1] - 1 if medium else 0
    start = int(document.positions[first]) if medium else start
    if start + shapes.text_room(end - start, context, start > 0) > room:
      start = 0
  while start < end:
    size = shapes.text_room(end - start, context, start > 0)
    if start + size > room:
      rooms = shapes.text_rooms(context, start > 0)
      size = max(size for size in rooms if start + size <= room)
    stop = min(start + size, end)
    seen = index[start:stop]
    seen = seen[seen > 0]
    first = int(seen.min()) - 1 if seen.size and not sees_earlier else 0
    yield Part(start, stop, size, first, int(seen.max(initial=0)))
    start = stop


def as_prompts(
    document: TokenizedDocument, part: Part, groups: bool
) -> decoding.Prompts:
  """The arrays of a part, its media numbered from 1."""
  tokens = np.zeros((1, part.room), np.int32)
  index = np.zeros((1, part.room), np.int32)
  size = part.stop - part.start
  tokens[0, :size] = document.tokens[part.start : part.stop]
  seen = document.media_index[part.start : part.stop]
  index[0, :size] = np.where(seen > 0, seen - part.first, 0)
  return decoding.Prompts(
      tokens=tokens, lengths=np.array([size], np.int32), media_index=index,
      group=shapes.bucket(document.last_group) if groups else 0,
  )

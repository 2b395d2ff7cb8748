# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From documents to tokens and the medium that each token sees.

Pure functions for Flamingo A.1.3 and A.3.2 and, of version 1, §3.2. With one
token per word the example of Figure 7 is
  <BOS> Cute pics of my pets ! <EOC> <image> My puppy ... . <EOC> <image> My ...
    0    0    0   0  0   0   0   0     1 1 1  1    1    1 1   1     2 2 2  2
`<image>` is plain text, several tokens that carry the new index; <EOC> keeps
the index of the chunk that it closes. Other makers' documents differ
(`Conventions`).
"""

from collections.abc import Callable
import dataclasses
from typing import Sequence

import numpy as np

from flamingo_jax.data import media as media_reader
from flamingo_jax.data import turns
from flamingo_jax.data.documents import Document, EndOfChunk
from flamingo_jax.data.frames import TRAINING
from flamingo_jax.data.media import Media
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import FrameSize, frame_size
from flamingo_jax.typing import Example


@dataclasses.dataclass(frozen=True, eq=False)
class TokenizedDocument:
  """Tokens of a document, or of a window of one, and its media."""

  tokens: np.ndarray  # int32[n]
  is_tag: np.ndarray  # bool[n], True for the tokens of the `<image>` tags
  positions: np.ndarray  # int64[m], where the tag of each medium begins
  media: tuple[Media, ...]  # the m media, numbered from 1
  # Whether tokens see the next medium rather than the last one.
  next_media: bool
  # Of tokens that end what media are seen in: what is behind them sees none, up
  # to the next medium (IDEFICS: <EOS>).
  ends: tuple[int, ...] = ()

  @property
  def media_index(self) -> np.ndarray:
    """int32[n]: which medium each token sees, 0 for none."""
    return media_index_from_positions(
        self.positions, len(self.tokens), self.next_media, self.ends
    )

  @property
  def group_starts(self) -> list[int]:
    """Of each medium the first of those that no text parts it from, from 1.

    With tags of one token, as where they are seen together.
    """
    starts = []
    for i, place in enumerate(self.positions):
      is_next = i > 0 and place == self.positions[i - 1] + 1
      starts.append(starts[-1] if is_next else i + 1)
    return starts

  @property
  def last_group(self) -> int:
    """How many media the last token sees where these are seen together."""
    return 1 + len(self.media) - (self.group_starts or [1])[-1]

  def what_fits(self, tokens: int, media: int | None = None) -> str:
    """How much of its end would fit, for messages; <BOS> stays.

    Of a few-shot prompt the query, at the end, is what has to stay. None: any
    number of media.
    """
    fits = int(np.sum(1 + len(self.tokens) - self.positions <= tokens))
    if media is not None:
      fits = min(fits, media)
    if fits == 1 < len(self.media):
      return 'the last image or video and its text would fit'
    if 0 < fits < len(self.media):
      return f'the last {fits} images or videos and their texts would fit'
    return f'shorten its text to fit {tokens} tokens'


def media_index_from_positions(
    positions: Sequence[int] | np.ndarray, length: int, next_media: bool,
    ends: Sequence[int] = (),
) -> np.ndarray:
  """φ of Flamingo A.1.3: which medium each of `length` tokens sees.

  Args:
    positions: rising; the i-th medium stands just before token positions[i],
      where its tag begins.
    length: number of tokens.
    next_media: False: the last medium before the token, 0 if there is none.
      True (the p_next augmentation of A.3.2): the first medium after it, 0 if
      there is none. A tag comes after its medium, so it sees the one after.
    ends: rising; tokens that see no further, in either direction.

  Returns:
    int32[length] of 0 to len(positions). With positions [1, 4] and length 6:
    [0 1 1 1 2 2], and [1 2 2 2 0 0] for the next medium.
  """
  positions = np.asarray(positions, np.int64)
  at, ends = np.arange(length), np.asarray(ends, np.int64)
  index = np.searchsorted(positions, at, side='right')
  if next_media:
    index = np.where(index == len(positions), 0, index + 1)
  if len(ends) and len(positions):
    seen = positions[np.maximum(index - 1, 0)]
    between = np.searchsorted(ends, np.maximum(at, seen)) != np.searchsorted(
        ends, np.minimum(at, seen)
    )
    index = np.where(between, 0, index)
  return index.astype(np.int32)


def tokenize_document(
    parts: Sequence,
    vocabulary: Vocabulary,
    *,
    leading_space: bool = False,
    next_media: bool = False,
    close: bool = True,
) -> TokenizedDocument:
  """<BOS>, the chunks of a document, <EOC> before each new medium (v1 §3.2.1).

  A chunk is a medium's tag and the text up to the next medium, or up to
  END_OF_CHUNK. Neighbouring texts are one text. No <EOC> stands before a medium
  that opens the document, and no two stand side by side. Vocabularies of other
  makers' Flamingos change what stands where, as they did (`Vocabulary`).

  Args:
    parts: texts (str), media (Media) and END_OF_CHUNK in reading order.
    vocabulary: of the language model.
    leading_space: begin the text after each medium with a space, if it has
      none (the space augmentation of B.1.2; callers draw it).
    next_media: see media_index_from_positions.
    close: end with <EOC> and <EOS>. False for prompts, which the model goes on.

  Returns:
    n tokens, at least <BOS>.

  Raises:
    UserError: a part is something else.
  """
  eoc, chunks = vocabulary.eoc_id, _chunks(parts, vocabulary.as_read)
  if vocabulary.conventions.header:
    tokens, positions, media = turns.tokenize_turns(parts, vocabulary, close)
    tags = positions
  else:
    tokens, positions, media, tags = _tokenize_chunks(
        chunks, vocabulary, leading_space
    )
  if close:
    for end in (eoc, vocabulary.eos_id):
      tokens += [] if tokens[-1:] == [end] else [end]
  tokens, is_tag = np.array(tokens, np.int32), np.zeros(len(tokens), bool)
  is_tag[tags] = True
  # A document that goes on behind <EOS>, as <EOC> is no other.
  ends = ()
  if vocabulary.conventions.eos_ends_media and eoc == vocabulary.eos_id:
    ends = np.flatnonzero(tokens == eoc)
  return TokenizedDocument(
      tokens=tokens,
      is_tag=is_tag,
      positions=np.array(positions, np.int64),
      media=tuple(media),
      next_media=next_media,
      ends=tuple(map(int, ends)),
  )


def _tokenize_chunks(
    chunks: Sequence[tuple[Media | None, str | None]], vocabulary: Vocabulary,
    leading_space: bool,
) -> tuple[list[int], list[int], list[Media], list[int]]:
  """Tokens, places of media, media, and places of the tokens of tags."""
  closes, eoc = vocabulary.conventions.closes, vocabulary.eoc_id
  tokens, positions, media = list(vocabulary.first_ids), [], []
  tags = []  # places of their tokens
  is_caption, is_bare = False, False  # what stands in front
  # What comes in front of the first token that is no tag's.
  opening = [vocabulary.bos_id] * vocabulary.conventions.bos_behind_tags
  for number, (medium, text) in enumerate(chunks):
    may_close = medium is None or closes == 'all' or (
        closes == 'captions' and is_caption
    )
    if number and may_close and len(tokens) > len(vocabulary.first_ids) and (
        tokens[-1] != eoc
    ):
      tokens += [*opening, eoc]
      opening, is_bare = [], False
    if medium is not None:
      media.append(medium)
      begin = len(tokens)
      tokens += [] if is_bare else vocabulary.around_tags
      positions.append(len(tokens))
      tokens += [*vocabulary.image_tag, *vocabulary.around_tags]
      tags += range(begin, len(tokens))
      if leading_space and text and not text[0].isspace():
        text = ' ' + text
    if text:
      tokens += opening
      opening = []
    tokens += vocabulary.encode_part(text or '', is_first=not number)
    is_caption = medium is not None and bool(text)
    is_bare = medium is not None and text is None
  return [*tokens, *opening], positions, media, tags


def _chunks(
    parts: Sequence, as_read: Callable[[str], str]
) -> list[tuple[Media | None, str | None]]:
  """Each medium with the text up to the next; None where it has none."""
  chunks = [(None, None)]
  for part in parts:
    if isinstance(part, Media):
      chunks.append((part, None))
    elif isinstance(part, EndOfChunk):
      chunks.append((None, None))
    elif isinstance(part, str):
      medium, text = chunks[-1]
      chunks[-1] = medium, (text or '') + as_read(part)
    else:
      raise UserError(
          f'a document is made of texts, images, videos and features, not of a'
          f' {type(part).__name__}; wrap pictures in image(...), videos in'
          ' video(...) and arrays in features(...)'
      )
  return chunks


def window(
    doc: TokenizedDocument, length: int, max_media: int, start: int
) -> TokenizedDocument:
  """Tokens start to start + length + 1 and the media among them (v1 §3.2.1).

  The last token is only predicted, so the model reads `length` tokens. A medium
  is in the window if its tag begins among these; the first `max_media` are kept
  and numbered from 1. What the paper leaves open: a token that would see a
  medium before or after the window sees none; after the media that are
  discarded for number, tokens go on to see the last one that was kept, and
  under `next_media` see none.

  Returns:
    A document of length + 1 tokens, or of fewer at the end of `doc`.
  """
  stop = start + length
  inside = [
      i for i, p in enumerate(doc.positions) if start <= p < stop
  ][:max_media]
  return TokenizedDocument(
      tokens=doc.tokens[start : stop + 1],
      is_tag=doc.is_tag[start : stop + 1],
      positions=doc.positions[inside] - start,
      media=tuple(doc.media[i] for i in inside),
      next_media=doc.next_media,
      ends=tuple(end - start for end in doc.ends if start <= end <= stop),
  )


def draw_start(
    doc: TokenizedDocument, length: int, rng: np.random.Generator
) -> int:
  """Where a random window of `length` + 1 tokens begins.

  Every start is as likely as any other (v1 §3.2.1), among those whose window
  has a whole tag, if there are any: what follows a picture that the window has
  lost would be learned without it. So a caption keeps its picture, whatever
  its length.
  """
  starts = np.arange(max(1, len(doc.tokens) - length))
  if len(doc.media):
    tag = int(np.sum(doc.is_tag)) // len(doc.media)
    # The tags that begin in a window, without one that it cuts.
    count = np.searchsorted(doc.positions, starts + length - tag, 'right')
    has_medium = count > np.searchsorted(doc.positions, starts)
    if np.any(has_medium):
      starts = starts[has_medium]
  if len(starts) == 1:
    return int(starts[0])
  return int(starts[rng.integers(len(starts))])


def draw_window(
    doc: Document,
    length: int,
    max_media: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None,
    p_next: float = 0.0,
    p_space: float = 0.0,
) -> TokenizedDocument:
  """What an example shows of a document; arguments are those of `make_example`.

  Returns:
    A document of at most length + 1 tokens, the last of which is only predicted.
  """
  next_media = leading_space = False
  if rng is not None:
    # Both coins are always thrown: changing one probability leaves the other
    # draws of the same seed as they were.
    next_coin, space_coin = rng.random(2)
    next_media, leading_space = next_coin < p_next, space_coin < p_space
  tokenized = tokenize_document(
      doc.parts,
      vocabulary,
      leading_space=bool(leading_space),
      next_media=bool(next_media),
  )
  start = 0 if rng is None else draw_start(tokenized, length, rng)
  return window(tokenized, length, max_media, start)


def make_example(
    doc: Document,
    *,
    length: int,
    max_media: int,
    frames: int,
    image_size: int | FrameSize,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None,
    p_next: float = 0.0,
    p_space: float = 0.0,
    augment: str = '',
) -> Example:
  """One training example of `length` tokens (L) and `max_media` media (M).

  Args:
    doc: the document.
    length: L; a longer document gives a window of it, drawn by `draw_start`.
    max_media: M; media beyond it are left out of the window.
    frames: T of each medium.
    image_size: h and w, pixels; or an ArraySize.
    vocabulary: of the language model.
    rng: draws the window, the augmentations and the clips of videos. None: the
      beginning of the text, videos as a whole and no augmentation (evaluation).
    p_next: probability that tokens see the next medium (A.3.2).
    p_space: probability of a space before the text of a medium (B.1.2).
    augment: what `rng` changes of media, as `augmentation.get` knows it.

  Returns:
    The arrays of typing.Example. The loss weighs text, <EOC> and <EOS>, and not
    the `<image>` tags, which are given and never generated.

  Raises:
    UserError: a medium cannot be read; the message begins with doc.source.
  """
  seen = draw_window(doc, length, max_media, vocabulary, rng, p_next, p_space)
  media, media_mask = load_media(
      doc.source, seen.media, max_media, frames, image_size, rng, augment
  )
  weights = (~seen.is_tag[1:]).astype(np.float32)
  return {
      'tokens': _padded(seen.tokens[:-1], length, vocabulary.pad_id),
      'targets': _padded(seen.tokens[1:], length, vocabulary.pad_id),
      'loss_weights': _padded(weights, length),
      'media_index': _padded(seen.media_index[:-1], length),
      'media': media,
      'media_mask': media_mask,
      'example_id': np.array(doc.example_id, np.int32),
  }


def _padded(values: np.ndarray, length: int, padding: int = 0) -> np.ndarray:
  """`length` numbers that begin with `values`; np.pad takes ten times as long."""
  out = np.full(length, padding, values.dtype)
  out[: len(values)] = values
  return out


def load_media(
    source: str,
    media: Sequence[Media],
    max_media: int,
    frames: int,
    image_size: int | FrameSize,
    rng: np.random.Generator | None,
    augment: str = '',
    fps: float = TRAINING.fps,
) -> tuple[np.ndarray, np.ndarray]:
  """uint8[M T h w 3] or float32[M T P C], and bool[M T]; zeros where none is.

  Raises:
    UserError: a medium cannot be read; the message begins with `source`.
  """
  size, lead = frame_size(image_size), (max_media, frames)
  pixels, mask = np.empty((*lead, *size.shape), size.dtype), np.zeros(lead, bool)
  for i, medium in enumerate(media):
    try:
      _, mask[i] = media_reader.load_frames(
          medium, frames, image_size, rng, fps, augment, out=pixels[i]
      )
    except UserError as error:
      raise UserError(f'{source}: {error}') from None
  pixels[len(media) :] = 0
  return pixels, mask

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The few shapes that what is asked of a model is padded to."""

from collections.abc import Iterator, Sequence

from flamingo_jax.data.interleaved import TokenizedDocument

# Lengths have this ratio, so that any model's context has few: a program for
# each is compiled, for seconds or minutes, and reading what is padded is
# cheap beside the answer's tokens.
_RATIO = 4
_LEAST_LENGTH = 16  # tokens; shorter prompts are padded to it
# Of what goes on from what was read: a picture and a word, in a few-shot query.
_LEAST_MORE = 4
_LONG = 512  # tokens; attention to longer paddings costs more than compiling
_LEAST_CACHE = 64  # tokens that have room in a cache
# Most prompts have the room of their length for media too.
_TOKENS_PER_MEDIUM = 16
_LEAST_MEDIA = 4
_USUAL_MEDIA = 64  # at most, of as many latents
_LEAST_ROOM = 64  # tokens of an answer
_TOKENS_AT_ONCE = 1024  # of prompts and candidates that are scored together


def bucket(size: int, least: int = 1, ratio: int = 2) -> int:
  """`size` rounded up to `least` times a power, so that few are compiled."""
  rounded = least
  while rounded < size:
    rounded *= ratio
  return rounded


def answer_room(max_new_tokens: int) -> int:
  """Of tokens, in programs that answer."""
  return bucket(max_new_tokens, _LEAST_ROOM, _RATIO)


# Tokens and media that each row of a batch has room for.
Shape = tuple[int, int]


def batches(
    shapes: Sequence[Shape], size: int, parts: int = 1,
    is_full: bool = False,
) -> Iterator[tuple[list[int], int]]:
  """(rows of a batch, how many are real); the others are there to fill it.

  Rows of a batch are of one shape, which is thereby that of each alone. A part
  is what a single device would be given, in the same places: only how many of
  them make a batch depends on the devices.

  Args:
    shapes: of all rows.
    size: most rows of a part.
    parts: of a batch.
    is_full: whether parts have `size` rows, however few are real.
  """
  alike = {}
  for row, shape in enumerate(shapes):
    alike.setdefault(shape, []).append(row)
  for group in alike.values():
    part = size if is_full else min(size, bucket(len(group)))
    for start in range(0, len(group), part * parts):
      rows = group[start : start + part * parts]
      real = len(rows)
      rows += [rows[(real - 1) // part * part]] * (-real % part)
      rows += rows[:part] * (parts - len(rows) // part)
      yield rows, real


def row_shape(
    document: TokenizedDocument, context: int, latents: int
) -> Shape:
  """Of a row that has few shapes in common with others.

  Args:
    document: of the row, no longer than the context.
    context: how many tokens the model reads.
    latents: of a medium; of more there is less room for those that are none.
  """
  tokens = bucket(len(document.tokens), _LEAST_LENGTH, _RATIO)
  if len(document.tokens) <= tokens // 2 >= _LONG:
    tokens //= 2
  room = media_room(len(document.media), tokens, latents)
  return min(tokens, context), room


def media_room(media: int, tokens: int, latents: int) -> int:
  """Of media, in a row with room for so many tokens; see `row_shape`."""
  usual = min(
      max(tokens // _TOKENS_PER_MEDIUM, _LEAST_MEDIA),
      max(_USUAL_MEDIA * 64 // max(latents, 64), 1),
  )
  return bucket(media, usual)


def rows_at_once(rows: int, tokens: int) -> int:
  """Of a batch, how many to read together; it divides `rows`.

  So few that they take little more memory than a single long one.

  Args:
    rows: of the batch.
    tokens: of each.
  """
  return max(
      (n for n in range(1, rows + 1)
       if rows % n == 0 and n * tokens <= _TOKENS_AT_ONCE), default=1,
  )


def text_rooms(context: int, goes_on: bool) -> list[int]:
  """Of tokens that are read in one call, the smallest first.

  Args:
    context: how many tokens the model reads.
    goes_on: whether others have been read before.
  """
  rooms = [_LEAST_MORE if goes_on else _LEAST_LENGTH]
  while rooms[-1] < context:
    rooms.append(rooms[-1] * _RATIO)
  return [min(room, context) for room in rooms]


def text_room(tokens: int, context: int, goes_on: bool) -> int:
  """The smallest of them that holds so many."""
  return next(
      room for room in text_rooms(context, goes_on) if room >= tokens
  )


def cache_room(tokens: int, context: int) -> int:
  """Positions of a cache for so many tokens, wherever reading them stops.

  What is read is padded behind it.
  """
  tokens = min(max(tokens, _LEAST_CACHE), context)
  return text_room(tokens, context, goes_on=False) + _LEAST_CACHE

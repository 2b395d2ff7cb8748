# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents of text and media, and the one JSONL schema of them.

A line of the file is one document, its parts in reading order:
  {"parts": [{"image": "a.jpg"}, {"text": "A dog."}, {"video": "b.mp4"}, ...]}
or, with media of another kind than pictures (`arrays`),
  {"parts": [{"features": "a.npy"}, {"text": "Someone walks."}]}
Paths are relative to the folder of the file; as it is your own, they may name
any file. A data: URI holds its file itself. Other keys than "parts" are not used,
but "id" names the document.
"""

from collections.abc import Callable, Iterable
import concurrent.futures
import dataclasses
import functools
import itertools
import os
from typing import Any, Iterator

import numpy as np

from flamingo_jax import opening
from flamingo_jax.data import arrays
from flamingo_jax.data import media as media_reader
from flamingo_jax.data import pictures
from flamingo_jax.data import video as video_reader
from flamingo_jax.data.document_line import EXAMPLE, ParsedLine, parse_line
from flamingo_jax.data.media import Media, features, image, video
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, FrameSize, PictureSize

__all__ = [
    'Document', 'END_OF_CHUNK', 'EndOfChunk', 'JsonlDocuments', 'Line',
    'Media', 'Text', 'features', 'image', 'lines', 'parse_line', 'read_line',
    'scan', 'video',
]

# Up to this line media are decoded whole before a run begins, in later lines no
# more than the header is read: broken files are told early, and in seconds.
_DECODE_AT_MOST = 500
_DECODE_AT = 64  # pixels
_BATCH = 256  # lines that are checked at a time


@dataclasses.dataclass(frozen=True)
class Text:
  """A text whose tokens have a weight of their own in the loss."""

  text: str
  weight: float


@dataclasses.dataclass(frozen=True)
class EndOfChunk:
  """A part that ends a chunk which no medium follows: <EOC>."""


END_OF_CHUNK = EndOfChunk()


@dataclasses.dataclass(frozen=True)
class Document:
  """Text and media in reading order."""

  # Each a text, a medium or END_OF_CHUNK; `Text` in documents of text alone.
  parts: tuple[str | Text | Media | EndOfChunk, ...]
  source: str  # where it is from, for messages ("own.jsonl:12")
  example_id: int  # its place in the source; of a JSONL file the line, from 1
  name: str = ''  # its "id" in the file, for messages; '' if it has none


class JsonlDocuments:
  """The documents of a JSONL file, by index; blank lines are skipped.

  Only the places of the lines are kept in memory.

  Raises:
    UserError: the file or any of its lines has a problem; the first is told.
  """

  def __init__(
      self, path: str | os.PathLike, media: bool = True,
      size: FrameSize | None = None, frames: int | None = None,
  ):
    """Checks the file; documents need a medium, or are of text alone.

    Args:
      path: the file.
      media: as of `scan`, likewise size and frames.
    """
    self.path = os.path.abspath(path)
    self._media = media
    problems = (
        (line.number, problem)
        for line in scan(self.path, _DECODE_AT_MOST, media, size, frames)
        for problem in line.problems
    )
    if first := next(problems, None):
      line, message = first
      more = sum(1 for _ in problems)
      others = (
          f'; {more} more problem{"s" * (more > 1)}: `flamingo check'
          f' {os.fspath(path)}` lists them' if more else ''
      )
      raise UserError(f'{_place(self.path, line)}: {message}{others}')
    places = [(start, number) for start, number, _ in lines(self.path)]
    self._starts, self._numbers = np.array(places, np.int64).T

  def __len__(self) -> int:
    return len(self._starts)

  def __getitem__(self, index: int) -> Document:
    number = int(self._numbers[index])
    with opening.open_file(self.path) as file:
      file.seek(int(self._starts[index]))
      line = file.readline()
    parsed = parse_line(line, os.path.dirname(self.path), self._media)
    if parsed.problems:
      raise UserError(
          f'{_place(self.path, number)}: {parsed.problems[0]} (the file changed'
          ' after it was opened)'
      )
    return _document(parsed, self.path, number)


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of a JSONL file: a document, or what is wrong with it."""

  number: int  # from 1; 0 for a problem of the file as a whole
  document: Document | None  # None if there are problems
  problems: tuple[str, ...]  # sentences
  further: tuple[str, ...] = ()  # keys of the document that nothing reads

  def checked(self, path: str | os.PathLike) -> Document:
    """The document.

    Raises:
      UserError: there are problems; the first is told.
    """
    if self.document is None:
      place = _place(os.fspath(path), self.number)
      raise UserError(f'{place}: {self.problems[0]}')
    return self.document


def scan(
    path: str | os.PathLike,
    decode_at_most: int | None = None,
    media: bool = True,
    size: FrameSize | None = None,
    frames: int | None = None,
) -> Iterator[Line]:
  """Reads and checks a JSONL file and all that it names, whatever is broken.

  Args:
    path: the file.
    decode_at_most: in the lines up to this one images and the first frames of
      videos are decoded, in the others no more than the header is read; None
      decodes all that there is, videos to their ends.
    media: whether a document needs a medium; else it must have none.
    size: of the frames of a model, which tells pictures from arrays; None: of
      the first medium that can be read, as one model reads one kind.
    frames: that features have at most; None: any number.
  """
  path = os.path.abspath(path)
  try:
    size = _first_size(_parts(path)) if size is None else size
  except OSError as error:
    yield _unreadable(error)
    return
  # Several documents often share a picture, such as questions about it do.
  file_problem = functools.lru_cache(maxsize=10_000)(
      functools.partial(
          _file_problem, to_end=decode_at_most is None, size=size,
          frames=frames,
      )
  )

  def check(line: tuple[int, int, bytes]) -> Line:
    _, number, text = line
    decode = decode_at_most is None or number <= decode_at_most
    return _check_line(
        path, number, text, decode, file_problem, media, size, frames
    )

  number = 0
  try:
    found = lines(path)
    # Threads: opening many small files is waiting, and decoders free the GIL.
    with concurrent.futures.ThreadPoolExecutor() as pool:
      while batch := list(itertools.islice(found, _BATCH)):
        for line in pool.map(check, batch):
          number = line.number
          yield line
  except OSError as error:
    yield _unreadable(error)
    return
  if not number:
    problem = f'holds no document; write one per line, such as {EXAMPLE}'
    yield Line(0, None, (problem,))


def read_line(path: str | os.PathLike, number: int) -> Line | None:
  """Reads and checks one line, counted from 1; None if it has no document.

  Nothing is read of the lines after it, nor of what other lines name.
  """
  path = os.path.abspath(path)
  try:
    for _, found, text in lines(path):
      if found == number:
        return _check_line(path, number, text, False, _file_problem)
      if found > number:
        return None
  except OSError as error:
    return _unreadable(error)
  return None


def _check_line(
    path: str,
    number: int,
    text: bytes,
    decode: bool,
    file_problem: Callable[[str, str, bool], str | None],
    media: bool = True,
    size: FrameSize | None = None,
    frames: int | None = None,
) -> Line:
  parsed = parse_line(text, os.path.dirname(path), media)
  problems = list(parsed.problems)
  for part in parsed.parts:
    if isinstance(part, Media):
      problem = (
          file_problem(part.kind, part.path, decode) if part.data is None
          else media_problem(part, decode, decode, size, frames)
      )
      problems += [parsed.about(problem)] if problem else []
  document = None if problems else _document(parsed, path, number)
  return Line(number, document, tuple(problems), parsed.further)


def _document(parsed: ParsedLine, path: str, number: int) -> Document:
  place = parsed.named(_place(path, number))
  return Document(parsed.parts, place, number, parsed.name)


def _unreadable(error: OSError) -> Line:
  problem = f'cannot be read ({error.strerror}); name a JSONL file'
  return Line(0, None, (problem,))


def first_features(path: str | os.PathLike) -> ArraySize:
  """Of the first medium of a JSONL file that can be read.

  Raises:
    UserError: it is a picture, or there is none.
  """
  try:
    return size_of(path, _parts(path))
  except OSError as error:
    raise UserError(f'{path}: {_unreadable(error).problems[0]}') from None


def size_of(path: str | os.PathLike, parts: Iterable[Any]) -> ArraySize:
  """Of the first medium of some parts that can be read.

  Args:
    path: where they are from, for messages.
    parts: of documents.

  Raises:
    UserError: it is a picture, or there is none.
  """
  size = _first_size(parts)
  if isinstance(size, ArraySize):
    return size
  kind = 'no medium that can be read' if size is None else 'pictures'
  raise UserError(
      f'{path} has {kind}, where features such as {{"features": "a.npy"}} are '
      f'trained on: `flamingo check {path}` lists what is wrong, and '
      'configs/own_data.gin is for pictures'
  )


def _first_size(parts: Iterable[Any]) -> FrameSize | None:
  """Of the first medium that can be read; a picture's is any."""
  for part in parts:
    if isinstance(part, Media) and part.kind != 'features':
      return PictureSize(1)
    if isinstance(part, Media):
      try:
        return ArraySize(*media_reader.open_features(part).shape[1:])
      except UserError:
        continue  # which the scan tells
  return None


def _parts(path: str | os.PathLike) -> Iterator[Any]:
  """The good parts of all lines of a file, nothing of which is opened."""
  for _, _, text in lines(path):
    yield from parse_line(text, os.path.dirname(path)).parts


def media_problem(
    media: Media, decode: bool, to_end: bool, size: FrameSize | None = None,
    frames: int | None = None,
) -> str | None:
  """What is wrong with a file, or None.

  With `decode` past the header of an image or of features, with `to_end` past
  the first frame of a video; `size` and `frames` are those of `scan`.
  """
  try:
    if media.kind == 'features':
      array, name = media_reader.open_features(media), f'features {media.name}'
      if size is not None:
        arrays.check_fits(array, name, size, frames)
      if decode:
        arrays.check_finite(array, name)
      return None
    if size is not None:
      media_reader.check_pictures(media, size)
    if media.kind == 'image' and decode:
      # Decoding tells as much at a quarter of the size.
      data = media_reader.read_file(media)
      pictures.decode_image(data, media.name, size=_DECODE_AT)
      return None
    with media_reader.open_file(media) as file:
      if media.kind == 'video':
        video_reader.check_video(file, media.name, to_end)
      else:
        pictures.open_image(file, media.name)
  except UserError as error:
    return str(error)
  return None


def _file_problem(
    kind: str, path: str, decode: bool, to_end: bool = False,
    size: FrameSize | None = None, frames: int | None = None,
) -> str | None:
  return media_problem(Media(kind, path), decode, to_end, size, frames)


def _place(path: str, line: int) -> str:
  return f'{path}:{line}' if line else path


def lines(path: str | os.PathLike) -> Iterator[tuple[int, int, bytes]]:
  """(byte offset, line number from 1, line) of every line that is not blank.

  Raises:
    OSError: the file cannot be read.
  """
  start = 0
  with opening.open_file(path) as file:
    for number, line in enumerate(file, 1):
      if line.strip():
        yield start, number, line
      start += len(line)

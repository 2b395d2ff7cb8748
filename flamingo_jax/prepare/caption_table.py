# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A table with the captions of videos, matched by their paths."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
import csv
import os
from typing import Any

from flamingo_jax import opening
from flamingo_jax.data import json_objects
from flamingo_jax.errors import UserError, shown
from flamingo_jax.prepare.source import Dropped, has_ending, names_of

_PATHS = ('path', 'file', 'video', 'videoid')
_CAPTIONS = ('caption', 'text', 'name')

# Its line, the video as it is named there, and the caption, '' if it has none.
Row = tuple[int, str, str]


class CaptionTable:
  """The captions of these videos.

  A row names a video by a path with or without its ending: an absolute one, or
  one that begins at the folder of the table or at one that was named, or
  anywhere below if it ends in this path alone.
  """

  def __init__(
      self, path: str, videos: Sequence[str], folders: Sequence[str]
  ):
    """Reads the table; paths are absolute.

    Raises:
      UserError: it cannot be read, or is no table.
    """
    self._path = path
    self._found: dict[str, str] = {}
    self._doubts: dict[str, Dropped] = {}
    self._strays, self._first_stray = 0, ''
    roots = list(dict.fromkeys([os.path.dirname(path), *folders]))
    names = _Names(videos)
    rows_of = collections.defaultdict(list)
    for row in _read(path):
      fitting = names.find(row[1], roots)
      if len(fitting) == 1:
        rows_of[fitting[0]].append(row)
      elif fitting:
        self._doubts |= dict.fromkeys(fitting, Dropped(
            'caption fits several videos',
            f'{path}:{row[0]}: {shown(row[1])} is {names_of(fitting)}',
        ))
      else:
        self._strays += 1
        self._first_stray = self._first_stray or f'{row[0]}: {shown(row[1])}'
    for video, rows in rows_of.items():
      self._decide(video, rows)

  def _decide(self, video: str, rows: Sequence[Row]) -> None:
    captions = list(dict.fromkeys(row[2] for row in rows if row[2]))
    self._doubts.pop(video, None)
    if len(captions) > 1:
      lines = ', '.join(str(row[0]) for row in rows[:9])
      self._doubts[video] = Dropped(
          'video has several captions', f'{self._path}: lines {lines}'
      )
    elif captions:
      self._found[video] = captions[0]

  def caption_of(self, video: str) -> str:
    """The caption of a video, '' if it has none.

    Raises:
      Dropped: it has several, or one that fits other videos as well.
    """
    if video in self._doubts:
      raise self._doubts[video]
    return self._found.get(video, '')

  def strays(self) -> Iterator[Dropped]:
    """Captions of which there is no video, for each what the first is."""
    for _ in range(self._strays):
      yield Dropped('caption of no video', f'line {self._first_stray}')


class _Names:
  """Videos by what a table may call them."""

  def __init__(self, videos: Sequence[str]):
    self._wholes = {video: [video] for video in videos}
    self._stems = {}  # by their paths without endings
    self._bases = {}  # by the last parts of both paths
    for video in videos:
      stem, _ = os.path.splitext(video)
      self._stems.setdefault(stem, []).append(video)
      for name in dict.fromkeys((video, stem)):
        self._bases.setdefault(os.path.basename(name), []).append(video)

  def find(self, name: str, roots: Sequence[str]) -> list[str]:
    """The videos that a name fits."""
    paths = [os.path.normpath(os.path.join(root, name)) for root in roots]
    for known in (self._wholes, self._stems):
      fitting = [video for path in paths for video in known.get(path, ())]
      if fitting:
        return list(dict.fromkeys(fitting))
    below = os.sep + os.path.normpath(name)
    return [
        video for video in self._bases.get(os.path.basename(below), ())
        if video.endswith(below) or os.path.splitext(video)[0].endswith(below)
    ]


def _read(path: str) -> Iterator[Row]:
  """The rows of a CSV or JSONL file.

  Raises:
    UserError: it is neither, or a row names no video.
  """
  rows = []
  try:
    with opening.open_file(
        path, 'r', encoding='utf-8-sig', newline=''
    ) as file:
      read = _csv_rows if has_ending(path, '.csv') else _json_rows
      rows = list(read(file))
  except UserError:
    raise
  except (OSError, ValueError) as error:
    raise UserError(
        f'{path} cannot be read as a table of captions ({error}); name a CSV '
        'or JSONL file in UTF-8'
    ) from None
  if not rows:
    raise UserError(
        f'{path} is not a table of captions, it has no row; name a CSV file, or '
        'JSONL of an object per line'
    )
  name = _column(path, rows[0][1], _PATHS)
  caption = _column(path, rows[0][1], _CAPTIONS)
  for line, row in rows:
    video = (json_objects.text_of(row.get(name)) or '').strip()
    if not video:
      raise UserError(
          f'{path}:{line} names no video, {name!r} is {shown(row.get(name))}; '
          'give each row one, or remove it'
      )
    text = json_objects.text_of(row.get(caption)) or ''
    yield line, video, text.strip()


def _csv_rows(file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
  # Strict: else an open quote takes all that follows for one caption.
  reader = csv.DictReader(file, strict=True)
  names = reader.fieldnames or []
  for wanted in (_PATHS, _CAPTIONS) if names else ():
    _column(file.name, names, wanted)
  if len(set(names)) < len(names):
    raise ValueError(f'two columns have one name: {", ".join(names)}')
  try:
    for row in reader:
      if None in row:  # and not cut a caption at its first comma
        raise ValueError(
            f'line {reader.line_num} has more values than columns; quote texts '
            'with commas'
        )
      yield reader.line_num, row
  except csv.Error as error:
    raise ValueError(f'line {reader.reader.line_num}: {error}') from None


def _json_rows(file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
  for number, line in enumerate(file, 1):
    if line.strip():
      try:
        row = json_objects.parse(line, numbers_as_written=True)
      except ValueError as error:
        raise ValueError(f'line {number}: {error}') from None
      if not isinstance(row, dict):
        raise ValueError(f'line {number} is not an object, but {shown(row)}')
      yield number, row


def _column(path: str, keys: Iterable[str], names: tuple[str, ...]) -> str:
  """The first of the names that is a column."""
  columns = list(keys)
  for name in names:
    if name in columns:
      return name
  found = ', '.join(columns)
  is_one = len(columns) == 1 and set(found) & {';', '\t'}
  hint = '; separate columns by commas' if is_one else ''
  raise UserError(
      f'{path} has no column {" or ".join(names)}, only {found}{hint}; rename '
      'a column'
  )

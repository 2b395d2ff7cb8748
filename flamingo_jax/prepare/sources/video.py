# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Videos with captions: folders of files, or tar files."""

from collections.abc import Iterator
import csv
import dataclasses
import functools
import json
import os
from typing import Any

from flamingo_jax import opening
from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import tars
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files, group,
    has_ending, read_bytes,
)

_ENDINGS = tuple(f'.{field}' for field in captioned.VIDEO_FIELDS)
_PER_UNIT = 16
_TEXT = 2**24  # bytes of a caption
_PATHS = ('path', 'file', 'video', 'videoid')
_CAPTIONS = ('caption', 'text', 'name')


@dataclasses.dataclass(frozen=True)
class Video(Source):
  """Clips of which one frame per second is kept, with its timestamp.

  The caption of clip.mp4 is in clip.txt or clip.json, or in one table.
  """

  paths: tuple[str, ...]  # video or tar files, or folders of either
  # A CSV or JSONL file with a column path (or file, video, videoid), of which
  # the name of the file counts, and caption (or text, name).
  captions: str | None = None
  text_key: str = 'caption'  # where the caption is in a JSON beside a video

  def units(self) -> list[Unit]:
    if self.captions is not None:
      _captions(self.captions)
    files = find_files(self.paths, _ENDINGS + tars.ENDINGS)
    videos = [path for path in files if not has_ending(path, tars.ENDINGS)]
    units = [Unit(path) for path in files if has_ending(path, tars.ENDINGS)]
    for paths in group(videos, _PER_UNIT):
      root = os.path.commonpath([os.path.dirname(path) for path in paths])
      names = tuple(os.path.relpath(path, root) for path in paths)
      units.append(Unit(root, members=names))
    return units

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    if not unit.members:
      yield from tars.read_samples(unit.path)
    for name in unit.members:
      path = os.path.join(unit.path, name)
      yield Item(path, path)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    if isinstance(item.value, str):
      media = Media('video', item.value)
      caption = self._caption_of_file(item.value)
    else:
      media = captioned.find_medium('video', item.value, item.place)
      caption = tars.caption(item.value, self.text_key)
    sought = self.captions or (
        f'txt, nor in {self.text_key!r} of json (--text_key)'
    )
    return captioned.convert(media, caption, item.place, fitter, sought)

  def _caption_of_file(self, path: str) -> str:
    stem, _ = os.path.splitext(path)
    if self.captions is not None:
      table = _captions(self.captions)
      base = os.path.basename(path)
      return table.get(base) or table.get(os.path.basename(stem), '')
    fields = {
        ending: read_bytes(f'{stem}.{ending}', _TEXT)
        for ending in ('txt', 'json') if os.path.exists(f'{stem}.{ending}')
    }
    return tars.caption(fields, self.text_key)


@functools.lru_cache(maxsize=1)
def _captions(path: str) -> dict[str, str]:
  """Name of a video, with or without its ending -> caption."""
  try:
    with opening.open_file(path, 'r', encoding='utf-8-sig', newline='') as file:
      if has_ending(path, '.csv'):
        rows = list(csv.DictReader(file))
      else:
        rows = [json.loads(line) for line in file if line.strip()]
  except (OSError, ValueError, RecursionError, csv.Error) as error:
    raise UserError(
        f'{path} cannot be read as a table of captions ({error}); name a CSV '
        'or JSONL file'
    ) from None
  if not rows or not all(isinstance(row, dict) for row in rows):
    raise UserError(
        f'{path} is no table of captions; name a CSV file, or JSONL of an '
        'object per line'
    )
  name, caption = _column(path, rows[0], _PATHS), _column(
      path, rows[0], _CAPTIONS
  )
  return {
      os.path.basename(str(row[name])): str(row[caption] or '') for row in rows
      if row.get(name) is not None and caption in row
  }


def _column(path: str, row: dict[str, Any], names: tuple[str, ...]) -> str:
  for name in names:
    if name in row:
      return name
  found = ', '.join(name for name in row if name)  # None: beyond the header
  raise UserError(
      f'{path} has no column {" or ".join(names)}, only {found}; rename a column'
  )

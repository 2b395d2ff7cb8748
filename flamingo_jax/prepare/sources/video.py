# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Videos with captions: folders of files, or tar files."""

from collections.abc import Iterator
import dataclasses
import functools
import os

from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import tars
from flamingo_jax.prepare.caption_table import CaptionTable
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files, group,
    has_ending, read_bytes,
)

_ENDINGS = tuple(f'.{field}' for field in captioned.VIDEO_FIELDS)
_PER_UNIT = 16
_TEXT = 2**24  # bytes of a caption


@dataclasses.dataclass(frozen=True)
class Video(Source):
  """Clips of which one frame per second is kept, with its timestamp.

  The caption of clip.mp4 is in clip.txt or clip.json, or in one table.
  """

  paths: tuple[str, ...]  # video or tar files, or folders of either
  # A CSV or JSONL file with a column path (or file, video, videoid), which
  # `CaptionTable` matches with files, and caption (or text, name).
  captions: str | None = None
  text_key: str = 'caption'  # where the caption is in a JSON beside a video

  def units(self) -> list[Unit]:
    _table.cache_clear()  # it may be another table than in an earlier run
    files = find_files(self.paths, _ENDINGS + tars.ENDINGS)
    units = [Unit(path) for path in files if has_ending(path, tars.ENDINGS)]
    if units and self.captions is not None:
      raise UserError(
          f'{units[0].path} holds captions itself, and {self.captions} has '
          'those of files in folders; leave one of them out'
      )
    for paths in group(_videos(files), _PER_UNIT):
      root = os.path.commonpath([os.path.dirname(path) for path in paths])
      names = tuple(os.path.relpath(path, root) for path in paths)
      units.append(Unit(root, members=names))
    if self.captions is not None and any(self._strays()):
      units.append(Unit(os.path.abspath(self.captions)))
    return units

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    if self.captions is not None and not unit.members:
      yield from self._strays()
    elif not unit.members:
      yield from tars.read_samples(unit.path)
    for name in unit.members:
      path = os.path.join(unit.path, name)
      yield Item(path, path)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    if isinstance(item.value, str):
      media, losses = Media('video', item.value), []
      caption = self._caption_of_file(item.value)
    else:
      media, losses = captioned.find_medium('video', item.value, item.place)
      caption = tars.caption(item.value, self.text_key)
    sought = f'txt, nor in {self.text_key!r} of json (--text_key)'
    if isinstance(item.value, str) and self.captions is not None:
      sought = self.captions
    return captioned.convert(
        media, caption, item.place, fitter, sought, losses
    )

  def _strays(self) -> Iterator[Dropped]:
    return _table(self.captions, self.paths).strays()

  def _caption_of_file(self, path: str) -> str:
    if self.captions is not None:
      return _table(self.captions, self.paths).caption_of(path)
    stem, _ = os.path.splitext(path)
    fields = {
        ending.lower(): read_bytes(f'{stem}.{ending}', _TEXT)
        for ending in ('TXT', 'txt', 'JSON', 'json')
        if os.path.exists(f'{stem}.{ending}')
    }
    return tars.caption(fields, self.text_key)


@functools.lru_cache(maxsize=1)
def _table(captions: str, paths: tuple[str, ...]) -> CaptionTable:
  """The table that is given for these paths; each process reads it once."""
  named = list(map(os.path.abspath, paths))
  folders = [p if os.path.isdir(p) else os.path.dirname(p) for p in named]
  videos = _videos(find_files(paths, _ENDINGS + tars.ENDINGS))
  return CaptionTable(os.path.abspath(captions), videos, folders)


def _videos(files: list[str]) -> list[str]:
  return [path for path in files if not has_ending(path, tars.ENDINGS)]

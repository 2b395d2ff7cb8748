# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""WebDataset: tar files of pictures and captions."""

from collections.abc import Iterator
import dataclasses

from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import tars
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files,
)


@dataclasses.dataclass(frozen=True)
class Webdataset(Source):
  """Samples of a picture and a text."""

  paths: tuple[str, ...]  # tar files, or folders of them
  # Where in the JSON of a sample its text is, if it has no .txt.
  text_key: str = 'caption'

  def units(self) -> list[Unit]:
    return [Unit(path) for path in find_files(self.paths, tars.ENDINGS)]

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    return tars.read_samples(unit.path)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    facts = tars.json_field(item.value)
    if facts.get('status', 'success') != 'success':
      raise Dropped('download failed', str(facts.get('error_message')))
    media, losses = captioned.find_medium('image', item.value, item.place)
    caption = tars.caption(item.value, self.text_key)
    return captioned.convert(
        media, caption, item.place, fitter,
        f'txt, nor in {self.text_key!r} of json (--text_key)', losses,
    )

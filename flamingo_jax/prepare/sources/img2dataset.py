# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What img2dataset writes: tar files, Parquet or TFRecords of pictures."""

from collections.abc import Iterator
import dataclasses
from typing import Any

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare import tables
from flamingo_jax.prepare import tars
from flamingo_jax.prepare import tfrecords
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files, has_ending,
)


@dataclasses.dataclass(frozen=True)
class Img2dataset(Source):
  """Pictures and captions, whatever --output_format was.

  Beside each shard img2dataset writes its metadata, also as .parquet: of a
  folder with tar or TFRecord files only these are read.
  """

  paths: tuple[str, ...]  # output folders or files
  text_key: str = 'caption'  # the column of the caption

  def units(self) -> list[Unit]:
    files = find_files(
        self.paths, tars.ENDINGS + tfrecords.ENDINGS + tables.ENDINGS
    )
    shards = [
        path for path in files
        if has_ending(path, tars.ENDINGS + tfrecords.ENDINGS)
    ]
    if shards:
      return [Unit(path) for path in shards]
    known = tables.column_names(files[0])
    if known and not set(captioned.IMAGE_FIELDS) & set(known):
      raise UserError(
          f'{files[0]} has no column of images such as jpg, only '
          f'{", ".join(known)}; it lists what to download: run img2dataset on '
          'it first'
      )
    return tables.row_units(
        files, [self.text_key], 'name the column of captions with --text_key'
    )

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    if has_ending(unit.path, tars.ENDINGS):
      yield from tars.read_samples(unit.path)
    elif has_ending(unit.path, tfrecords.ENDINGS):
      for item in tfrecords.read_examples(unit.path):
        first = {key: v[0] for key, v in item.value.items() if v}
        yield Item(item.place, first)
    else:
      columns = [
          self.text_key, 'status', 'error_message', *captioned.IMAGE_FIELDS
      ]
      yield from tables.read_rows(unit, columns)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    fields = {k: v for k, v in item.value.items() if v is not None}
    facts = {**fields, **tars.json_field(fields)}
    if _decoded(facts.get('status', 'success')) != 'success':
      raise Dropped('download failed', str(facts.get('error_message', '')))
    media, losses = captioned.find_medium('image', fields, item.place)
    caption = tars.text_field(fields) or json_values.text_of(
        {self.text_key: _decoded(facts.get(self.text_key))}, self.text_key
    )
    return captioned.convert(
        media, caption, item.place, fitter,
        f'txt, nor in {self.text_key!r} (--text_key)', losses,
    )


def _decoded(value: Any) -> Any:
  """Tar files and TFRecords have bytes where Parquet has texts."""
  is_encoded = isinstance(value, bytes)
  return value.decode('utf-8', 'replace') if is_encoded else value

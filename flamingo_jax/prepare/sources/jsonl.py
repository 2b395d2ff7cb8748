# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our own JSONL schema: parts in reading order (`data.documents`)."""

from collections.abc import Iterator
import dataclasses
import os

from flamingo_jax.data import documents
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files,
)


@dataclasses.dataclass(frozen=True)
class Jsonl(Source):
  """JSONL files and all that they name, wherever it is: they are your own.

  A document of which anything cannot be read is dropped: who wrote it meant it
  to be whole.
  """

  paths: tuple[str, ...]  # files, or folders of files that end in .jsonl
  text: bool = False  # documents are of text alone, for language models

  def units(self) -> list[Unit]:
    files = find_files(self.paths, json_values.ENDINGS)
    return [unit for file in files for unit in json_values.line_units(file)]

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    folder = os.path.dirname(unit.path)
    for item in json_values.read_lines(unit):
      if isinstance(item, Item):
        item = Item(item.place, (item.value, folder))
      yield item

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    line, folder = item.value
    parsed = documents.parse_line(line, folder, not self.text)
    if parsed.problems:
      raise Dropped('line is not a document', parsed.problems[0])
    try:
      parts = [
          part if isinstance(part, str) else fitter.fit(part)
          for part in parsed.parts
      ]
    except Dropped as dropped:
      raise Dropped(dropped.reason, parsed.about(dropped.detail)) from None
    return Converted.of(parts, parsed.named(item.place))

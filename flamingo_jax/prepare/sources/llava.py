# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations about pictures, in the JSON of LLaVA."""

from collections.abc import Iterator
import dataclasses
import os

from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, find_files, has_ending,
    path_inside,
)

_TAG = '<image>'
# The paper's words for questions (Flamingo B.3).
_PREFIXES = {
    'human': 'Question: ', 'user': 'Question: ',
    'gpt': 'Answer: ', 'assistant': 'Answer: ',
}


@dataclasses.dataclass(frozen=True)
class Llava(Source):
  """One document for each conversation."""

  paths: tuple[str, ...]  # JSON arrays or JSONL files, or folders of them
  # The folder in which the images are; that of the file if not given.
  images: str | None = None

  def units(self) -> list[Unit]:
    if self.images is not None and not os.path.isdir(self.images):
      raise UserError(f'{self.images} is no folder; correct --images')
    files = find_files(self.paths, ('.json', *json_values.ENDINGS))
    # Arrays first.
    files.sort(key=lambda path: not has_ending(path, '.json'))
    return [
        unit for path in files for unit in (
            json_values.array_units if has_ending(path, '.json')
            else json_values.line_units
        )(path)
    ]

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    folder = os.path.abspath(self.images or os.path.dirname(unit.path))
    is_array = has_ending(unit.path, '.json')
    read = json_values.read_array if is_array else json_values.read_lines
    for item in read(unit):
      if isinstance(item, Item):
        item = Item(item.place, (item.value, folder))
      yield item

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    text, folder = item.value
    value = json_values.parse(text)
    names = value.get('image') or []
    names = [names] if isinstance(names, str) else list(names)
    if not names:
      raise Dropped('conversation without an image', _no('image', value))
    images = [
        fitter.fit(Media('image', path_inside(folder, name))) for name in names
    ]
    pieces = _text(value).split(_TAG)
    if len(pieces) == 1:  # images that are spoken of, but not placed
      pieces = [''] * len(images) + pieces
    if len(pieces) != len(images) + 1:
      raise Dropped(
          'images and tags differ in number',
          f'{len(images)} images, {len(pieces) - 1} tags',
      )
    parts = [pieces[0].strip()]
    for image, piece in zip(images, pieces[1:]):
      parts += [image, piece.strip()]
    return Converted.of(filter(None, parts), item.place)


def _no(key: str, value: dict) -> str:
  return f'no "{key}", only {", ".join(value)}'[:200]


def _text(value: dict) -> str:
  """The turns, with the tags of images where they belong."""
  turns = value.get('conversations') or value.get('messages')
  if not isinstance(turns, list) or not turns:
    raise Dropped(
        'conversation without a turn',
        _no('conversations" nor "messages', value),
    )
  lines = []
  for turn in turns:
    speaker = turn.get('from') or turn.get('role')
    if speaker not in _PREFIXES:
      raise Dropped('turn of an unknown speaker', repr(speaker)[:60])
    text = json_values.text_of(turn, 'value') or json_values.text_of(
        turn, 'content'
    )
    # A tag before a question goes before the word 'Question' as well.
    while text.startswith(_TAG):
      lines.append(_TAG)
      text = text.removeprefix(_TAG).strip()
    tags = ''
    while text.endswith(_TAG):
      tags, text = tags + _TAG, text.removesuffix(_TAG).strip()
    lines.append(tags + _PREFIXES[speaker] + text)
  return '\n'.join(lines)

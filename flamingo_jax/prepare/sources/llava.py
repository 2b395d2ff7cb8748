# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations about pictures, in the JSON of LLaVA."""

from collections.abc import Iterator, Sequence
import dataclasses
import os
import re
from typing import Any

from flamingo_jax.data import data_uri
from flamingo_jax.data import json_objects
from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError, shown
from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, close_gaps, embedded,
    find_files, has_ending, path_inside,
)

_TAG = '<image>'
# The paper's words for questions (Flamingo B.3); what is said to the system
# stands before them as it is.
_PREFIXES = {
    'human': 'Question: ', 'user': 'Question: ',
    'gpt': 'Answer: ', 'assistant': 'Answer: ', 'system': '',
}
# What other programs have for media, in the words of those who ask.
_OTHER_TAG = re.compile(
    r'<\|?(?:start_of_)?(?:image|img|video|audio|vision)(?:[ _-]?\w+)?\|?>|'
    r'\[IMG\]', re.I,
)
_OTHER_MEDIA = ('video', 'videos', 'audio', 'audios')  # keys
_NOT_FETCHED = 'image was not fetched'
_WEB = ('http://', 'https://')
_IMAGES = ('image', 'image_url')  # types of parts that are images
_ADDRESSES = ('image', 'image_url', 'url', 'path', 'source')


@dataclasses.dataclass(frozen=True)
class Llava(Source):
  """One document for each conversation.

  What turns say is a text, a number, or a list of parts: texts, and images
  where they are. A conversation of which anything else was said is dropped, as
  is one about a video or a sound; images that are on the web, and parts of
  other kinds, are left out and counted. Images are files below one folder, or data: URIs.
  """

  paths: tuple[str, ...]  # JSON arrays or JSONL files, or folders of them
  # The folder in which the images are; that of the file if not given.
  images: str | None = None

  def units(self) -> list[Unit]:
    if self.images is not None and not os.path.isdir(self.images):
      raise UserError(f'{self.images} is not a folder; correct --images')
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
    value = json_values.parse(text, numbers_as_written=True)
    for key in filter(value.get, _OTHER_MEDIA):
      raise Dropped(
          'conversation about a video or a sound', f'{key}: {shown(value[key])}'
      )
    listed = _listed(value)
    talk = _Talk()
    for speaker, said in _turns(value, listed):
      talk.add(speaker, said)
    images = _place(talk.images, listed)
    if not images:
      raise Dropped('conversation without an image', _no('image', value))
    pieces = '\n'.join(talk.lines).split(_TAG)
    if len(pieces) == 1:  # images that are spoken of, but not placed
      pieces = [''] * len(images) + pieces
    parts = [pieces[0].strip()]
    for image, piece in zip(images, pieces[1:], strict=True):
      try:
        parts.append(fitter.fit(_load(image, folder)))
      except Dropped as dropped:
        if dropped.reason != _NOT_FETCHED:
          raise
        talk.losses.append(dropped)
        parts.append(None)
      parts.append(piece.strip())
    parts = close_gaps(part for part in parts if part != '')
    if all(isinstance(part, str) for part in parts):
      raise Dropped(_NOT_FETCHED, talk.losses[-1].detail)
    return Converted.of(parts, item.place, talk.losses)


class _Talk:
  """What is said, with a tag for each image."""

  def __init__(self):
    self.lines: list[str] = []
    # Where the image of each tag is; None: the next one that is listed.
    self.images: list[str | None] = []
    self.losses: list[Dropped] = []  # parts of turns

  def add(self, speaker: Any, said: Any) -> None:
    """Adds a turn.

    Raises:
      Dropped: it says nothing that can be understood.
    """
    name = speaker.lower() if isinstance(speaker, str) else None
    if name not in _PREFIXES:
      raise Dropped('turn of an unknown speaker', shown(speaker))
    parts = said if isinstance(said, list) else [said]
    text = '\n'.join(filter(None, map(self._text, parts))).strip()
    if not text:
      if name == 'system':
        return
      raise Dropped('turn without a text', f'{name} says {shown(said)}')
    other = _OTHER_TAG.search(text.replace(_TAG, ''))
    if other and _PREFIXES[name] != 'Answer: ':  # which may speak of HTML
      raise Dropped(f'tag of a medium other than {_TAG}', other[0])
    # A tag before a question goes before the word 'Question' as well.
    while text.startswith(_TAG):
      self.lines.append(_TAG)
      text = text.removeprefix(_TAG).strip()
    tags, rest = '', text
    while rest.endswith(_TAG):
      tags, rest = tags + _TAG, rest.removesuffix(_TAG).strip()
    if _TAG in rest:  # which would come behind those of the end
      tags, rest = '', text
    self.lines.append(tags + _PREFIXES[name] + rest)

  def _text(self, part: Any) -> str:
    """What one part of a turn says; '' if it is left out."""
    if isinstance(part, dict):
      kind = part.get('type')
      if kind in _IMAGES or kind is None and set(part) & set(_IMAGES):
        self.images.append(_address(part))
        return _TAG
      if kind not in (None, 'text') or 'text' not in part:
        self.losses.append(
            Dropped('part of a turn is neither text nor an image', shown(part))
        )
        return ''
      part = part['text']
    text = json_objects.text_of(part)
    if text is None:
      raise Dropped('turn says something other than text', shown(part))
    self.images += [None] * text.count(_TAG)
    return text.strip()


def _turns(
    value: dict[str, Any], listed: Sequence[str]
) -> Iterator[tuple[Any, Any]]:
  """Who says what.

  Raises:
    Dropped: there is no turn, or one is no object.
  """
  turns = value.get('conversations') or value.get('messages')
  if not isinstance(turns, list) or not turns:
    if not listed:
      raise Dropped('conversation without an image', _no('image', value))
    raise Dropped(
        'conversation without a turn',
        _no('conversations" nor "messages', value),
    )
  if value.get('system') is not None:
    yield 'system', value['system']
  for turn in turns:
    if not isinstance(turn, dict):
      raise Dropped('turn is not an object', shown(turn))
    said = turn.get('value')
    said = turn.get('content') if said in (None, '') else said
    yield turn.get('from') or turn.get('role'), said


def _listed(value: dict[str, Any]) -> list[str]:
  """Where the images are that are listed beside the turns.

  Raises:
    Dropped: one is no path, or two lists differ.
  """
  found = []
  for key in ('image', 'images'):
    images = value.get(key) or []
    images = images if isinstance(images, list) else [images]
    addresses = list(map(_address, images))
    if None in addresses:
      raise Dropped('image is not a path', shown(images))
    found += [addresses] if addresses else []
  if found and found[0] != found[-1]:
    raise Dropped('"image" and "images" differ', shown(found))
  return found[0] if found else []


def _place(images: Sequence[str | None], listed: Sequence[str]) -> list[str]:
  """Where the image of each tag is; those that are listed, without tags.

  Raises:
    Dropped: tags and images differ in number.
  """
  tags = images.count(None)
  if tags == len(listed):
    names = iter(listed)
    return [next(names) if image is None else image for image in images]
  if not tags and set(listed) <= set(images or listed):
    return list(images or listed)
  raise Dropped(
      'images and tags differ in number', f'{len(listed)} images, {tags} tags'
  )


def _address(value: Any) -> str | None:
  """The path or URL of an image, however it is wrapped; None if it has none."""
  if isinstance(value, str):
    return value or None
  if not isinstance(value, dict):
    return None
  if isinstance(value.get('data'), str):  # {'type': 'base64', ...}
    kind = value.get('media_type') or 'image'
    return f'data:{kind};base64,{value["data"]}'
  found = (_address(value[key]) for key in _ADDRESSES if key in value)
  return next(filter(None, found), None)


def _load(address: str, folder: str) -> Media:
  if data_uri.is_data_uri(address):
    return embedded(address)
  if address.lower().startswith(_WEB):
    raise Dropped(_NOT_FETCHED, address)
  return Media('image', path_inside(folder, address.removeprefix('file://')))


def _no(key: str, value: dict) -> str:
  return f'no "{key}", only {", ".join(value)}'

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""VL-ICL Bench: query.json and support.json of each of its tasks.

Pictures are named from the folder that has those of the tasks, as in
'textocr/query/c01928d2bc823bae_1.png'.
"""

from collections.abc import Iterator
import dataclasses
import pathlib
from typing import Any

from flamingo_jax.data.media import Media
from flamingo_jax.errors import shown
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.record import Record
from flamingo_jax.evaluation.readers.source import Source

_OPERATORS = ('+', '-', 'x')  # in the order of the results of a support
_SIDES = ('same', 'diff')
_VERDICTS = ('yes', 'no')


def questions(source: Source) -> Iterator[Sample]:
  """[{image: [path], question, answer, ...}], of CLEVR and TextOCR."""
  for number, entry in _entries(source):
    yield _sample(source, number, entry)


def operators(source: Source) -> Iterator[Sample]:
  """A query has an operator, and a support the results of all three."""
  is_support = source.split == 'support'
  for number, entry in _entries(source):
    if not is_support:
      operator = entry.one_of('operator', _OPERATORS)
      yield _sample(
          source, number, entry, result=_OPERATORS.index(operator)
      )
      continue
    results = entry.texts('answer')
    if len(results) != len(_OPERATORS):
      raise entry.error(
          f'has {len(results)} results in \'answer\', and needs those of '
          f'{", ".join(_OPERATORS)}'
      )
    yield _sample(source, number, entry, answers=results)


def open_mini_imagenet(source: Source) -> Iterator[Sample]:
  """A query comes with classes, and pictures of each in 'support'."""
  for number, entry in _entries(source, 'classes', 'support'):
    classes, answer = entry.texts('classes'), entry.text('answer')
    if len(set(classes)) < max(2, len(classes)) or answer not in classes:
      raise entry.error(
          f'has the classes {shown(classes)}, which must be two or more that '
          f'differ, one of them the answer {shown(answer)}'
      )
    support, supports = _inner(entry, 'support'), []
    for name in classes:
      images = _inner(support, name).texts('images')
      supports += [
          Sample(
              _pictures(source, entry, [image]), _asked(source, entry),
              (name,), f'{source.name_of(number)}:{name}:{place}', number,
          )
          for place, image in enumerate(images)
      ]
    query = _sample(source, number, entry, classes=classes)
    yield dataclasses.replace(query, supports=tuple(supports))


def matching(source: Source) -> Iterator[Sample]:
  """Two pictures; a support is a pair of such, the same and different ones."""
  if source.split != 'support':
    for number, entry in _entries(source):
      yield _verdict(source, number, entry)
    return
  for pair, entry in source.fields_of(source.entries(0), *_SIDES):
    for place, side in enumerate(_SIDES):
      yield _verdict(source, 2 * pair + place, _inner(entry, side), pair=pair)


def _verdict(
    source: Source, number: int, entry: Record, **more: Any
) -> Sample:
  if entry.text('answer').lower() not in _VERDICTS:
    raise entry.error(
        f"has {shown(entry['answer'])} as 'answer', which must be Yes or No"
    )
  return _sample(source, number, entry, **more)


def _entries(source: Source, *more: str) -> Iterator[tuple[int, Record]]:
  return source.fields_of(
      source.entries(0), 'image', 'question', 'answer', *more
  )


def _inner(entry: Record, name: str) -> Record:
  """An entry in this one; a problem with it is told of this."""
  value = entry[name]
  if not isinstance(value, dict):
    raise entry.error(
        f'has {shown(value)} as {name!r}, which must be an entry with fields'
    )
  return dataclasses.replace(entry, entry=value)


def _pictures(
    source: Source, entry: Record, names: list[str]
) -> tuple[Media, ...]:
  for name in names:
    path = pathlib.PurePosixPath(name)
    if path.is_absolute() or '..' in path.parts or '\0' in name:
      raise entry.error(
          f'has the picture {shown(name)}, which must be a path below the folder '
          f'of all tasks, such as {source.benchmark}/query/1.png'
      )
  # Of the folder above, which the official files have all tasks in.
  root = source.folder.absolute().parent
  return tuple(Media('image', str(root / name)) for name in names)


def _asked(source: Source, entry: Record) -> str:
  return source.prompt.format(question=entry.text('question'))


def _sample(
    source: Source, number: int, entry: Record,
    answers: list[str] | None = None, **record: Any,
) -> Sample:
  names = ('id', 'question', 'answer')
  is_one = isinstance(entry['image'], str)  # as the makers' program takes it
  return source.sample(
      number,
      _pictures(
          source, entry, [entry.text('image')] if is_one else entry.texts('image')
      ),
      {'question': entry.text('question')},
      answers or [entry.text('answer')],
      # What the makers' results have of a query.
      {'entry': {name: entry[name] for name in names if name in entry},
       **record},
  )

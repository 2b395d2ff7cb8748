# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""An entry of an annotation file, whose fields are checked as they are read."""

from collections import Counter
from collections.abc import Mapping, Sequence
import dataclasses
import math
import pathlib
import re
from typing import Any

from flamingo_jax.errors import UserError, shown

# '12', and '12.0' as programs write what they hold as a float.
_WHOLE = re.compile(r'(-?[0-9]{1,19})(?:\.0*)?')
_SECONDS = re.compile(r'[0-9]{1,9}(?:\.[0-9]{1,9})?')
_LARGEST = 1e30  # of numbers that are computed with


@dataclasses.dataclass(frozen=True)
class Record:
  """One entry; what cannot be meant is an error that names file and entry."""

  entry: Mapping[str, Any]  # its fields
  path: pathlib.Path  # of the file
  number: int | str  # its place in the file, from 0, or its key there
  origin: str  # where the file comes from
  is_secret: bool = False  # whether its split may come without answers
  # Whether annotators' answers stay in their order; else the one that most gave
  # comes first.
  keeps_order: bool = False

  def error(self, problem: str) -> UserError:
    """What is wrong with this entry, and the remedy."""
    first = ', where 0 is the first' if isinstance(self.number, int) else ''
    return UserError(
        f'{self.path}: entry {self.number} {problem}{first}: correct it, or '
        f'copy the file again from {self.origin}'
    )

  def __contains__(self, name: str) -> bool:
    return name in self.entry

  def __getitem__(self, name: str) -> Any:
    """A field, of any type."""
    if name not in self.entry:
      raise self.error(f'has no field {name!r}')
    return self.entry[name]

  def text(self, name: str) -> str:
    """A field that says something; a number is written as people do."""
    text = _as_text(self[name])
    if text is None or not text.strip():
      raise self._wrong(name, 'a text')
    return text

  def name(self, name: str) -> str | int | float:
    """A text or a number that stands for something, as the file has it."""
    self.text(name)
    return self[name]

  def whole(self, name: str, start: int = 0, stop: int | None = None) -> int:
    """A whole number from `start` to before `stop`, which may be in quotes."""
    value = _as_whole(self[name])
    if value is None or value < start or (stop is not None and value >= stop):
      upto = 'on' if stop is None else f'to {stop - 1}'
      raise self._wrong(name, f'a whole number from {start} {upto}')
    return value

  def seconds(self, name: str) -> str:
    """A time as names of clips have it: 1.0 is '1', and 1.5 stays."""
    text = (_as_text(self[name]) or '').strip()
    if not _SECONDS.fullmatch(text):
      raise self._wrong(name, 'a time in seconds, such as 12 or 12.5')
    return text.rstrip('0').rstrip('.') if '.' in text else text

  def clip(self) -> str:
    """The name of a clip that was cut from a video: video, start and end."""
    times = [self.seconds(name) for name in ('start', 'end')]
    return '_'.join([self.text('video_id'), *times])

  def one_of(self, name: str, known: Sequence[str]) -> str:
    """A text of a few that there are."""
    text = self.text(name)
    if text not in known:
      raise self._wrong(name, f'one of {", ".join(known)}')
    return text

  def label(self, name: str, classes: Sequence[str]) -> list[str]:
    """[the class of this number]; [] if it is secret."""
    if self._lacks(name):
      return []
    value = self[name]
    value = int(value) if isinstance(value, bool) else _as_whole(value)
    if value is None or not 0 <= value < len(classes):
      numbers = ', '.join(f'{i} ({text})' for i, text in enumerate(classes))
      raise self._wrong(name, f'one of {numbers}')
    return [classes[value]]

  def pick(self, name: str, texts: Sequence[Any]) -> str:
    """The text whose place a field has."""
    text = texts[self.whole(name, 0, len(texts))]
    return dataclasses.replace(self, entry={name: text}).text(name)

  def picks(self, name: str, texts: Sequence[Any]) -> list[str]:
    """The texts whose places a field lists."""
    places, count = self[name], len(texts)
    is_place = lambda x: type(x) is int and 0 <= x < count
    if not isinstance(places, list) or not all(map(is_place, places)):
      raise self._wrong(name, f'a list of numbers from 0 to {count - 1}')
    found = [texts[place] for place in places]
    return dataclasses.replace(self, entry={name: found}).texts(name)

  def numbers(self, name: str) -> list[float]:
    """A list of finite numbers."""
    values = self[name]
    is_number = lambda x: type(x) in (int, float) and abs(x) < _LARGEST
    if not isinstance(values, list) or not all(map(is_number, values)):
      raise self._wrong(name, 'a list of numbers')
    return values

  def records(self, name: str) -> list['Record']:
    """A list of entries in this one; a problem with one is told of this."""
    values = self[name]
    is_list = isinstance(values, list) and values
    if not is_list or not all(isinstance(value, dict) for value in values):
      raise self._wrong(name, 'a list of entries with fields')
    return [dataclasses.replace(self, entry=value) for value in values]

  def answer(self, name: str) -> list[str]:
    """[the only answer]; [] if it is secret."""
    return [] if self._lacks(name) else [self.text(name)]

  def texts(self, name: str) -> list[str]:
    """A list of texts, each of which says something."""
    values = self[name]
    texts = list(map(_as_text, values)) if isinstance(values, list) else []
    if not texts or not all(text and text.strip() for text in texts):
      raise self._wrong(name, 'a list of texts, none of them empty')
    return texts

  def answers(self, name: str, *keys: str) -> list[str]:
    """Those of all annotators, the one that most gave first, or in their order.

    What someone left empty counts as the official programs count it, and comes
    last. [] if they are secret.

    Args:
      name: of the list.
      keys: of an answer that is not a text itself; the first that it has.
    """
    if self._lacks(name):
      return []
    values = self[name]
    if not isinstance(values, list):
      raise self._wrong(name, 'a list of answers')
    return self.by_frequency(name, [
        next((value[key] for key in keys if key in value), None)
        if isinstance(value, dict) else value for value in values
    ])

  def by_frequency(self, name: str, values: Sequence[Any]) -> list[str]:
    """The answers of all annotators, the one that most gave first.

    Where the order is kept, they are only checked.
    """
    texts = list(map(_as_text, values))
    if None in texts:
      raise self._wrong(name, 'a list of texts or numbers')
    if not any(text.strip() for text in texts):
      raise self.error(f'has no answer in {name!r}, which is {shown(values)}')
    if self.keeps_order:
      return texts
    counts = Counter(texts)
    return sorted(texts, key=lambda text: (not text.strip(), -counts[text]))

  def _lacks(self, name: str) -> bool:
    """Whether a field is not there, in a split that may come without."""
    return self.is_secret and self.entry.get(name) in (None, [], '')

  def _wrong(self, name: str, needed: str) -> UserError:
    value = self.entry[name]
    return self.error(f'has {shown(value)} as {name!r}, which must be {needed}')


def _as_text(value: Any) -> str | None:
  """A text, or a number as people write it: 3.0 is '3'; None for others."""
  if isinstance(value, float) and math.isfinite(value):
    return str(int(value)) if value.is_integer() else str(value)
  if isinstance(value, int) and not isinstance(value, bool):
    return str(value)
  if not isinstance(value, str):
    return None
  # JSON may have halves of characters, which no file can hold.
  return value if value.isascii() or _is_whole(value) else None


def _is_whole(text: str) -> bool:
  return not any('\ud800' <= character <= '\udfff' for character in text)


def _as_whole(value: Any) -> int | None:
  text = (_as_text(value) or '').strip()
  found = _WHOLE.fullmatch(text)
  return int(found[1]) if found else None

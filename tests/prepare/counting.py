# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of numbered items; workers import them: this imports little."""

from collections.abc import Iterator
import dataclasses
import hashlib
import os
import pathlib
import signal

from flamingo_jax.data.documents import Document, Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare.source import Converted, Dropped, Fitter, Item, Unit
from tests.pictures import png

WORDS = 'one two three four five six seven eight nine ten eleven'


def digests(folder: pathlib.Path) -> dict[str, str]:
  """Of all files of a folder."""
  return {
      path.name: hashlib.sha256(path.read_bytes()).hexdigest()
      for path in folder.iterdir()
  }


@dataclasses.dataclass(frozen=True)
class Counting:
  """Items 0, 1, 2 and so on, of which every seventh is dropped."""

  paths: tuple[str, ...]
  count: int = 40
  die_at: tuple[int, ...] = ()  # kills its process, always
  die_once: str = ''  # kills its process if this file is not there

  def units(self) -> list[Unit]:
    return [Unit(self.paths[0], b, b + 5) for b in range(0, self.count, 5)]

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    for i in range(unit.begin, min(unit.end, self.count)):
      yield Item(f'item {i}', i)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    if item.value % 7 == 3:
      raise Dropped('seventh', f'{item.value}')
    if item.value in self.die_at:
      os.kill(os.getpid(), signal.SIGKILL)
    if self.die_once and item.value == 11 and not os.path.exists(self.die_once):
      open(self.die_once, 'w').close()
      os.kill(os.getpid(), signal.SIGKILL)
    media = Media('image', f'{item.value}.png', png(item.value))
    fitted = fitter.fit(media)
    parts = (fitted.media, f'This is {item.value}.')
    return Converted(Document(parts, item.place, 0))


@dataclasses.dataclass(frozen=True)
class Repeating(Counting):
  """Pages of three domains that repeat lines, images, texts and each other."""

  count: int = 60

  def convert(self, item, fitter):
    i = item.value
    page = i - i % 11 // 10  # 10 is 9 again
    text = f'{WORDS} {i - i % 7 // 6}\nShare this page'
    shades = (i - i % 5 // 4, 200 if i % 3 else 100 + i)
    parts = [
        fitter.fit(Media('image', f'{shade}.png', png(shade))).media
        for shade in shades
    ]
    return Converted(
        Document((parts[0], text, parts[1]), item.place, 0),
        url=f'http://{page % 3}.org/{page}',
        looks=(i * 0x9e3779b97f4a7c15 % 2**64, 2**40 - 1 ^ 1 << i % 12),
    )


@dataclasses.dataclass(frozen=True)
class Wrong(Counting):
  """Of another format."""

  def read(self, unit):
    raise UserError(f'{self.paths[0]} has no column text; name one')
    yield Item('', 0)

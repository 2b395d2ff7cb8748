# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A source of numbered items; workers import it, and it imports little."""

from collections.abc import Iterator
import dataclasses
import io
import os
import signal

import PIL.Image

from flamingo_jax.data.documents import Document, Media
from flamingo_jax.prepare.source import Converted, Dropped, Fitter, Item, Unit


def png(shade: int) -> bytes:
  """A picture that is not like the next one."""
  buffer = io.BytesIO()
  PIL.Image.new('RGB', (9, 8), (shade, 99, 9)).save(buffer, 'PNG')
  return buffer.getvalue()


@dataclasses.dataclass(frozen=True)
class Counting:
  """Items 0, 1, 2 and so on, of which every seventh is dropped."""

  path: str
  count: int = 40
  die_at: tuple[int, ...] = ()  # kills its process, always
  die_once: str = ''  # kills its process if this file is not there

  def units(self) -> list[Unit]:
    return [Unit(self.path, b, b + 5) for b in range(0, self.count, 5)]

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

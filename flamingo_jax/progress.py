# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How far a stage of work is, on standard error: a bar, or a line in a file."""

from collections.abc import Iterable, Iterator, Sized
import contextlib
import sys
import time
from typing import TypeVar

import tqdm

_SOON = 1.0  # seconds; what ends before shows no bar
_LONG = 5.0  # what takes longer is told in a file
_T = TypeVar('_T')


class Stage:
  """Work of which so much is done."""

  def __init__(self, name: str, total: int | None, unit: str, done: int):
    """Begins it; arguments as of `stage`."""
    self._began, self._first = time.monotonic(), done
    self.name, self._unit = name, unit
    # Without a terminal the bar counts and shows nothing.
    self.bar = tqdm.tqdm(
        desc=name, total=total, initial=done, unit=f' {unit}',
        disable=not sys.stderr.isatty(), delay=_SOON, dynamic_ncols=True,
    )
    self.done, self.total = done, total

  def add(self, count: int = 1) -> None:
    """So many more are done."""
    self.done += count
    self.bar.update(count)

  def reach(self, done: int, total: int) -> None:
    """So many of so many are done."""
    self.total = self.bar.total = total
    self.add(done - self.done)

  def close(self) -> None:
    """Leaves the bar as it stands, or tells a file what took long."""
    self.bar.close()
    seconds = time.monotonic() - self._began
    if self.bar.disable and seconds > _LONG:
      of = '' if self.total in (None, self.done) else f' of {self.total:,}'
      print(f'{self.name}: {self.done:,}{of} {self._unit} in {seconds:,.0f} s',
            file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(
    name: str, total: int | None = None, unit: str = 'items', done: int = 0
) -> Iterator[Stage]:
  """Shows a block's work: a bar where standard error is a terminal.

  Elsewhere one line at its end, if it takes more than five seconds.

  Args:
    name: what is done.
    total: of how many; None: nobody knows yet.
    unit: what is counted, in the plural.
    done: how many are done already.
  """
  shown = Stage(name, total, unit, done)
  try:
    yield shown
  finally:
    shown.close()


def each(items: Iterable[_T], name: str, unit: str) -> Iterator[_T]:
  """The same items, shown as the stage of that name."""
  total = len(items) if isinstance(items, Sized) else None
  with stage(name, total, unit) as shown:
    for item in items:
      yield item
      shown.add()


def say(line: str) -> None:
  """Prints a line on standard error without tearing a bar."""
  tqdm.tqdm.write(line, file=sys.stderr)

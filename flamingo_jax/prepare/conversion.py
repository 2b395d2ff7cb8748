# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One unit of the input to documents on disk, whatever is in it."""

from collections.abc import Callable, Iterator
import contextlib
import pathlib
import signal
import threading

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import spool
from flamingo_jax.prepare.source import Dropped, Fitter, Item, Source, Unit

# That an item may take: of CPU time, lest a busy machine leaves out more.
SECONDS = 60


def convert_unit(
    source: Source,
    fitter: Fitter,
    unit: Unit,
    folder: pathlib.Path,
    index: int,
    *,
    skip: dict[int, str],
    stop: int | None = None,
    progress: Callable[[int], None] = lambda ordinal: None,
) -> None:
  """Writes the documents of unit number `index` and counts what gave none.

  Items, from 0, that are to be skipped are not converted; at `stop` is one that
  cannot even be read. `progress` is called with the number of those done.

  Raises:
    UserError: the input is not what the source reads.
  """
  writer = spool.Writer(folder, index)
  try:
    items, ordinal = read(source, unit), 0
    while ordinal != stop and (item := next(items, None)) is not None:
      if isinstance(item, Item):
        _convert(source, item, fitter, writer, skip.get(ordinal))
      else:
        writer.drop(item, unit.path)
      ordinal += 1
      progress(ordinal)
    if ordinal == stop:
      writer.drop(Dropped('file stopped the reader'), unit.path)
      ordinal += 1
    writer.counts.items = ordinal
    writer.finish()
  finally:
    writer.discard()


def read(source: Source, unit: Unit) -> Iterator[Item | Dropped]:
  """The items; an exception is the last of them.

  Raises:
    UserError: the input is not what the source reads.
  """
  items = iter(source.read(unit))
  try:
    while True:
      with _time_limit():
        item = next(items, None)
      if item is None:
        return
      yield item
  except UserError:
    raise
  except Dropped as dropped:
    yield dropped
  except OSError as error:
    yield Dropped('file cannot be read', str(error))
  except Exception as error:  # readers of broken files raise anything
    yield Dropped('file is corrupt', repr(error))


def _convert(
    source: Source,
    item: Item,
    fitter: Fitter,
    writer: spool.Writer,
    skipped: str | None,
) -> None:
  """Writes or counts one item."""
  try:
    if skipped:
      raise Dropped(skipped)
    with _time_limit():
      converted = source.convert(item, fitter)
  except Dropped as dropped:
    writer.drop(dropped, item.place)
  except MemoryError:
    writer.drop(Dropped('item needs too much memory'), item.place)
  except Exception as error:  # what is in a crawl is beyond imagination
    writer.drop(
        Dropped('item cannot be understood', repr(error)), item.place
    )
  else:
    writer.add(converted, item.place)


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
  """Raises `Dropped` in the main thread of a process after SECONDS.

  What waits, or does not return to Python, is stopped from outside (workers).
  """
  if threading.current_thread() is not threading.main_thread():
    yield
    return
  before = signal.signal(signal.SIGPROF, _raise_too_slow)
  signal.setitimer(signal.ITIMER_PROF, SECONDS)
  try:
    yield
  finally:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def _raise_too_slow(signum: int, frame: object) -> None:
  raise Dropped('item takes too long', f'more than {SECONDS} s of CPU time')

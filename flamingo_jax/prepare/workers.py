# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Processes that convert units, and what happens when one of them dies.

A worker that crashes, or is stuck in a library, is replaced and its unit begun
anew: an item that stops it twice is left out and counted, and if it cannot even
be read, so is the rest of its file.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import pathlib
import resource
import time
from typing import Any

from flamingo_jax import own_code
from flamingo_jax.data import storage
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import conversion
from flamingo_jax.prepare.source import Fitter, Source, Unit

_MEMORY = 8 * 2**30  # bytes of addresses that a worker may add to its own
_STUCK = 10 * conversion.SECONDS  # without progress: many may share a core
_DEATHS = 3  # at one item: then the rest of its file is left out
_POLL = 0.5  # seconds
# Light enough to be forked from: no TensorFlow, no threads.
_PRELOADED = [
    'flamingo_jax.prepare.conversion', 'flamingo_jax.prepare.fitting'
]


@dataclasses.dataclass
class _Task:
  """A unit, and the items at which workers died."""

  index: int
  deaths: list[int] = dataclasses.field(default_factory=list)

  def skip(self) -> dict[int, str]:
    return {
        ordinal: 'item stopped the reader' for ordinal in self.deaths
        if self.deaths.count(ordinal) >= 2
    }

  def stop(self) -> int | None:
    often = (o for o in self.deaths if self.deaths.count(o) >= _DEATHS)
    return next(often, None)


class _Worker:
  """A process, and the unit that it has."""

  def __init__(self, context: Any, job: tuple[Any, ...]):
    self.pipe, theirs = context.Pipe()
    self.progress = context.RawValue('q', 0)
    self.process = context.Process(
        target=_work, args=(theirs, self.progress, *job), daemon=True
    )
    self.process.start()
    theirs.close()
    self.task, self.seen, self.since = None, 0, time.monotonic()

  def start(self, task: _Task) -> None:
    self.task, self.seen, self.since = task, 0, time.monotonic()
    self.progress.value = 0
    try:
      self.pipe.send((task.index, task.skip(), task.stop()))
    except OSError:
      pass  # it died while it was idle: the next look finds out

  def is_stuck(self) -> bool:
    now = time.monotonic()
    if self.progress.value != self.seen:
      self.seen, self.since = self.progress.value, now
    return self.task is not None and now - self.since > _STUCK

  def end(self) -> None:
    self.process.kill()
    self.process.join()
    self.pipe.close()


def convert_units(
    source: Source,
    fitter: Fitter,
    units: Mapping[int, Unit],
    folder: pathlib.Path,
    workers: int,
) -> Iterator[int]:
  """Converts units in any order, and yields the number of each when it is done.

  That takes so many processes; with 0 this one converts, for a debugger.

  Raises:
    UserError: the input is not what the source reads, or the disk is full.
  """
  if not workers:
    for index, unit in units.items():
      conversion.convert_unit(source, fitter, unit, folder, index, skip={})
      yield index
    return
  context = multiprocessing.get_context('forkserver')
  context.set_forkserver_preload(_PRELOADED)
  with own_code.kept_out_of_processes():
    multiprocessing.forkserver.ensure_running()
  waiting = [_Task(index) for index in reversed(units)]
  job = (source, fitter, units, folder)
  crew = [_Worker(context, job) for _ in range(min(workers, len(units)))]
  try:
    left = len(waiting)
    while left:
      for worker in crew:
        if worker.task is None and waiting:
          worker.start(waiting.pop())
      multiprocessing.connection.wait([w.pipe for w in crew], timeout=_POLL)
      for place, worker in enumerate(crew):
        index = _outcome(worker)
        if index is not None:
          left -= 1
          yield index
        elif not worker.process.is_alive() or worker.is_stuck():
          task, ordinal = worker.task, worker.progress.value
          worker.end()
          crew[place] = _Worker(context, job)
          if task is not None:
            task.deaths.append(ordinal)
            if task.deaths.count(ordinal) > _DEATHS:
              raise UserError(
                  f'{units[task.index].path} stopped {_DEATHS + 1} workers; '
                  'free memory, or leave this file out'
              )
            waiting.append(task)
  finally:
    for worker in crew:
      worker.end()


def _outcome(worker: _Worker) -> int | None:
  """The unit that a worker has finished, if it has."""
  try:
    if not worker.pipe.poll():
      return None
    error = worker.pipe.recv()
  except (EOFError, OSError):
    return None  # it died
  if error:
    raise UserError(error)
  index, worker.task = worker.task.index, None
  return index


def _work(
    pipe: Any,
    done: Any,
    source: Source,
    fitter: Fitter,
    units: Mapping[int, Unit],
    folder: pathlib.Path,
) -> None:
  """The life of a worker: units come through the pipe, errors go back."""
  _limit_memory()

  def progress(count: int) -> None:
    done.value = count
    if pipe.poll():  # nothing is ever sent meanwhile: the parent is gone
      os._exit(1)

  while True:
    try:
      index, skip, stop = pipe.recv()
    except EOFError:
      return
    try:
      conversion.convert_unit(
          source, fitter, units[index], folder, index, skip=skip, stop=stop,
          progress=progress,
      )
      error = None
    except UserError as failure:
      error = str(failure)
    except OSError as failure:  # of the disk: reading has its own handler
      refusal = storage.explain(failure, folder) or storage.UNKNOWN
      error = (
          f'{folder} cannot be written ({failure.strerror}); {refusal.remedy} '
          'and run the same command again, which resumes from here'
      )
    pipe.send(error)


def _limit_memory() -> None:
  with open('/proc/self/statm', encoding='ascii') as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
  _, hard = resource.getrlimit(resource.RLIMIT_AS)
  limit = used + _MEMORY
  if hard != resource.RLIM_INFINITY:
    limit = min(limit, hard)
  resource.setrlimit(resource.RLIMIT_AS, (limit, hard))

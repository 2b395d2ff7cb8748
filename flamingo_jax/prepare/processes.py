# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine is, and the one that uses processes of this machine."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib
from typing import Protocol, runtime_checkable

from flamingo_jax.prepare import duplicates
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import workers
from flamingo_jax.prepare.shards import Layout
from flamingo_jax.prepare.source import Fitter, Source, Unit


@runtime_checkable
class Engine(Protocol):
  """Where the work is done; every piece of it may be done twice."""

  def convert(
      self,
      source: Source,
      fitter: Fitter,
      units: Mapping[int, Unit],
      working: pathlib.Path,
  ) -> Iterator[int]:
    """Converts units into a folder; yields the number of each that is done."""

  def deduplicate(self, working: pathlib.Path, units: int) -> None:
    """Writes a verdict on each unit beside it (`duplicates`)."""

  def write_shards(
      self, layout: Layout, shards: Sequence[int]
  ) -> Iterator[int]:
    """Writes shards; yields the number of each that is done."""


@dataclasses.dataclass(frozen=True)
class Processes(Engine):
  """Processes of this machine convert; the rest is done in this one."""

  workers: int  # how many; 0 converts in this process, for a debugger

  def convert(
      self,
      source: Source,
      fitter: Fitter,
      units: Mapping[int, Unit],
      working: pathlib.Path,
  ) -> Iterator[int]:
    yield from workers.convert_units(
        source, fitter, units, working, self.workers
    )

  def deduplicate(self, working: pathlib.Path, units: int) -> None:
    verdicts = duplicates.judge_all(
        lambda index: spool.read_entries(working, index), units
    )
    for index, verdict in enumerate(verdicts):
      verdict.write(working, index)

  def write_shards(
      self, layout: Layout, shards: Sequence[int]
  ) -> Iterator[int]:
    for shard in shards:
      layout.write(shard)
      yield shard

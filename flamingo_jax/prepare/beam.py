# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The engine of `flamingo prepare` that is Apache Beam, for many machines.

Three pipelines, each over numbers and hashes alone: texts and media stay in the
working folder, which every machine has at the same path, as it has the input.
Only the search for documents that were there before is more than a map.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import pathlib
import re

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
import numpy as np

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import duplicates
from flamingo_jax.prepare import looks
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import workers
from flamingo_jax.prepare.processes import Engine
from flamingo_jax.prepare.shards import Layout
from flamingo_jax.prepare.source import Fitter, Source, Unit

# Beam's default would fetch a program from the web.
_LOCAL = '--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner'


@dataclasses.dataclass(frozen=True)
class Beam(Engine):
  """Pipelines of Apache Beam."""

  # Of the pipelines, such as '--runner=FlinkRunner'; by default the runner is
  # the one in this process.
  options: tuple[str, ...] = ()

  def convert(
      self,
      source: Source,
      fitter: Fitter,
      units: Mapping[int, Unit],
      working: pathlib.Path,
  ) -> Iterator[int]:
    with self._pipeline() as pipeline:
      _ = (
          pipeline
          | beam.Create(list(units.items()))
          | beam.Reshuffle()
          | 'Convert' >> beam.Map(_convert, source, fitter, working)
      )
    yield from units

  def deduplicate(self, working: pathlib.Path, units: int) -> None:
    with self._pipeline() as pipeline:
      numbers = pipeline | beam.Create(range(units)) | beam.Reshuffle()
      found = {
          'often': _find_often(numbers, working),
          'repeated': _find_repeated(numbers, working),
          'unit': numbers | 'Every' >> beam.Map(_alone),
      }
      _ = (
          found
          | beam.CoGroupByKey()
          | 'Judge' >> beam.Map(_judge, working)
      )

  def write_shards(
      self, layout: Layout, shards: Sequence[int]
  ) -> Iterator[int]:
    with self._pipeline() as pipeline:
      _ = (
          pipeline
          | beam.Create(shards)
          | beam.Reshuffle()
          | 'Write' >> beam.Map(_write, layout)
      )
    yield from shards

  @contextlib.contextmanager
  def _pipeline(self) -> Iterator[beam.Pipeline]:
    """Runs to its end what is added in the `with`."""
    options = PipelineOptions([_LOCAL, *self.options])  # the last one counts
    try:
      with beam.Pipeline(options=options) as added:
        yield added
    except Exception as error:  # runners wrap or reword it
      told = f'{type(error).__name__}: {error}'
      found = re.search(r'UserError: (.*?)(?: \[while running|\n|$)', told)
      if not found:
        raise
      raise UserError(found[1]) from None


def _convert(
    piece: tuple[int, Unit],
    source: Source,
    fitter: Fitter,
    working: pathlib.Path,
) -> None:
  """Converts a unit in a process of its own, which may die of it."""
  index, unit = piece
  for _ in workers.convert_units(source, fitter, {index: unit}, working, 1):
    pass


def _alone(unit):
  return unit, None


def _write(shard: int, layout: Layout) -> None:
  from flamingo_jax.data import quiet_tensorflow

  quiet_tensorflow.load()
  layout.write(shard)


# Beam sends functions to workers by their names, so none is inside another.


def _find_often(
    units: beam.PCollection, working: pathlib.Path
) -> beam.PCollection:
  """(unit, key) of the images and lines that occur too often."""
  found = units | 'Count' >> beam.FlatMap(_count, working)
  near = (
      found
      | 'Looks' >> beam.FlatMap(_times_of_look)
      | 'Of a look' >> beam.CombinePerKey(sum)
      | 'Groups' >> beam.FlatMap(_groups)
      | 'By group' >> beam.GroupByKey()
      | 'Near' >> beam.FlatMap(_near)
      | 'Of all near' >> beam.CombinePerKey(sum)
  )
  return (
      {'found': found, 'near': near}
      | 'By key' >> beam.CoGroupByKey()
      | 'Often' >> beam.FlatMap(_units_if_often)
  )


def _count(unit, working):
  counts = duplicates.count(spool.read_entries(working, unit))
  for key, times in counts.items():
    yield key, (unit, times)


def _times_of_look(counted):
  key, (_, times) = counted
  if duplicates.look_of(key) is not None:
    yield key, times


def _groups(counted):
  key, times = counted
  for group in looks.groups(duplicates.look_of(key)):
    yield group, (key, times)


def _near(group):
  """(key, times) of looks that are near others of their group."""
  (number, _), members = group
  keys, times = zip(*members)
  near = looks.near_times_in(
      number, np.array([duplicates.look_of(key) for key in keys], np.uint64),
      np.array(times, np.int64),
  )
  for key, more in zip(keys, near.tolist()):
    if more:
      yield key, more


def _units_if_often(group):
  key, counted = group
  found = list(counted['found'])
  times = sum(times for _, times in found) + sum(counted['near'])
  if duplicates.is_too_often(key, times):
    for unit, _ in found:
      yield unit, key


def _find_repeated(
    units: beam.PCollection, working: pathlib.Path
) -> beam.PCollection:
  """(unit, (place, reason)) of the documents that were there before."""
  documents, repeated = units | 'Read' >> beam.FlatMap(_read, working), []
  for level, reason in enumerate(duplicates.REASONS):
    documents, others = (
        documents
        | f'Key {level}' >> beam.Map(_by_key, level)
        | f'By key {level}' >> beam.GroupByKey()
        | f'Split {level}' >> beam.FlatMap(_split, reason).with_outputs(
            'repeated', main='first'
        )
    )
    repeated.append(others)
  return repeated | beam.Flatten()


def _read(unit, working):
  for place, entry in enumerate(spool.read_entries(working, unit)):
    yield (unit, place), duplicates.document_keys(entry)


def _by_key(document, level):
  place, keys = document
  # Without a key a document is a group by itself.
  return keys[level] or f'{place}'.encode(), (place, keys)


def _split(group, reason):
  """The first document of a group; of the others where they are, and why."""
  _, documents = group
  first = min(place for place, _ in documents)
  for (unit, place), keys in documents:
    if (unit, place) == first:
      yield first, keys
    else:
      yield beam.pvalue.TaggedOutput('repeated', (unit, (place, reason)))


def _judge(
    group: tuple[int, Mapping[str, Iterable]], working: pathlib.Path
) -> None:
  """Writes the verdict on a unit."""
  unit, found = group
  duplicates.judge(
      list(spool.read_entries(working, unit)), dict(found['repeated']),
      set(found['often']),
  ).write(working, unit)

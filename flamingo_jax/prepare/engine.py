# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a source to shards: in parallel, resumable, the same bytes every time.

First every unit of the input is converted into DIR/working, in any order; then
the documents are written into shards, in the order of the input. Both go on
where they were when the program is killed. DIR/manifest.json comes last.
An `Engine` does the work, in processes of this machine or in many machines;
which one it is changes no byte.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from typing import Any

import PIL
import tensorflow as tf

import flamingo_jax
from flamingo_jax import progress
from flamingo_jax.data import records
from flamingo_jax.data import storage
from flamingo_jax.data.owner import owned
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import duplicates
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import thresholds
from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.processes import Engine, Processes
from flamingo_jax.prepare.shards import Layout
from flamingo_jax.prepare.source import Source, Unit, names_of

_WORKING, _PLAN = 'working', 'plan.json'


def prepare(
    source: Source,
    directory: str | os.PathLike,
    *,
    shards: int | None = None,
    workers: int = 1,
    image_size: int = 320,
    exclude: str | os.PathLike | None = None,
    image_scorers: tuple[str, ...] = (),
    deduplicate: bool = False,
    engine: Engine | None = None,
) -> dict[str, Any]:
  """Writes the documents of a source into shards.

  Args:
    source: what is read.
    directory: new or empty, or what an earlier call of these arguments left.
    shards: files of about equally many documents; by default one for every
      10,000. It may be another number when a run goes on.
    workers: processes; 0 does everything in this one.
    image_size: pixels of the longer side in training; 0 keeps all media as
      they are.
    exclude: a folder of images that must not occur.
    image_scorers: see `fitting.MediaFitter`.
    deduplicate: removes what occurs too often (`duplicates`).
    engine: does the work in the place of `workers`; a run that one engine has
      begun another may go on with.

  Returns:
    What manifest.json says.

  Raises:
    UserError: the input, the folder or an option is wrong, or no document is
      left.
  """
  for name, value, least in (('shards', 1 if shards is None else shards, 1),
                             ('workers', workers, 0),
                             ('image_size', image_size, 0)):
    if value < least:
      raise UserError(f'{name} is {value}; it must be at least {least}')
  engine = engine or Processes(workers)
  directory = pathlib.Path(directory).absolute()
  excluded = (
      () if exclude is None else fitting.identities_of_folder(exclude)
  )
  for text in image_scorers:
    thresholds.scorer(text)
  fitter = fitting.MediaFitter(image_size, excluded, image_scorers)
  units = source.units()
  plan = _plan(source, units, fitter, deduplicate)
  try:
    finished = _finished(directory, plan)
    if finished is not None:
      return finished
    with owned(directory, f'{_WORKING}/lock'):
      plan_path = directory / _WORKING / _PLAN
      spool.write_atomically(plan_path, json.dumps(plan))
      images, damaged = getattr(source, 'images', None), spool.Tally()
      if isinstance(images, FetchedImages):
        images = images.write_index(directory / _WORKING / 'images')
        source = dataclasses.replace(source, images=images)
        damaged = images.damaged()
      _convert(engine, source, fitter, units, directory / _WORKING)
      manifest = _write(
          engine, directory, len(units), plan, shards, deduplicate, damaged
      )
      shutil.rmtree(directory / _WORKING)
      return manifest
  except (OSError, tf.errors.OpError) as error:
    reason = getattr(error, 'strerror', None) or getattr(error, 'message', '')
    refusal = storage.explain(error, directory) or storage.UNKNOWN
    raise UserError(
        f'{directory} cannot be written ({reason}); {refusal.remedy} '
        'and run the same command again'
    ) from None


def _plan(
    source: Source,
    units: Sequence[Unit],
    fitter: fitting.MediaFitter,
    deduplicate: bool,
) -> dict[str, Any]:
  """All that the documents depend on."""
  digest = hashlib.sha256(repr(fitter.excluded).encode())
  for unit in units:
    files = [os.path.join(unit.path, name) for name in unit.members]
    sizes = [os.path.getsize(f) for f in files or [unit.path]
             if os.path.exists(f)]
    digest.update(repr((unit, sizes)).encode())
  options = {
      field.name: getattr(source, field.name)
      for field in dataclasses.fields(source)
  }
  for name, value in options.items():
    if isinstance(value, FetchedImages):
      digest.update(repr(value.listing()).encode())
    elif name == 'captions' and value is not None:
      digest.update(pathlib.Path(value).read_bytes())
  plan = {
      'source': type(source).__name__.lower(),
      'options': {
          **options, 'image_size': fitter.image_size,
          'excluded': len(fitter.excluded),
          'image_scorers': fitter.scorers, 'deduplicate': deduplicate,
      },
      'input_sha256': digest.hexdigest(),
      'version': {
          'flamingo_jax': flamingo_jax.__version__, 'pillow': PIL.__version__
      },
  }
  return json.loads(json.dumps(plan, default=os.fspath))


def _finished(
    directory: pathlib.Path, plan: dict[str, Any]
) -> dict[str, Any] | None:
  """The manifest of a folder that is finished already.

  Raises:
    UserError: the folder holds anything but what this plan left there.
  """
  if not directory.exists():
    return None
  names = set(os.listdir(directory))
  if records.MANIFEST in names:
    manifest = records.read_manifest(directory)
    if {key: manifest.get(key) for key in plan} == plan:
      shutil.rmtree(directory / _WORKING, ignore_errors=True)
      return manifest
  try:
    text = (directory / _WORKING / _PLAN).read_text(encoding='utf-8')
    before = json.loads(text)
  except FileNotFoundError:
    before = None
  if names <= {_WORKING} and before is None or before == plan:
    return None
  if before is not None:
    raise UserError(
        f'{directory} holds an unfinished run with {_difference(before, plan)};'
        ' remove it or name another folder'
    )
  raise UserError(
      f'{directory} already exists; remove it or name another folder'
  )


def _difference(before: dict[str, Any], plan: dict[str, Any]) -> str:
  for key in ('source', 'version'):
    if before[key] != plan[key]:
      return f'{key} {before[key]}, not {plan[key]}'
  old, new = before['options'], plan['options']
  for key in new:
    if old.get(key) != new[key]:
      return f'{key} {old.get(key)}, not {new[key]}'
  return 'other input files'


def _convert(
    engine: Engine,
    source: Source,
    fitter: fitting.MediaFitter,
    units: Sequence[Unit],
    working: pathlib.Path,
) -> None:
  """Converts the units that are not done yet."""
  todo = {
      index: unit for index, unit in enumerate(units)
      if not spool.is_done(working, index)
  }
  items = documents = 0
  done = len(units) - len(todo)
  with progress.stage('converting', len(units), 'pieces', done) as stage:
    for index in engine.convert(source, fitter, todo, working):
      counts = spool.read_counts(working, index)
      items, documents = items + counts.items, documents + counts.documents
      stage.bar.set_postfix(items=items, documents=documents, refresh=False)
      stage.add()


def _write(
    engine: Engine,
    directory: pathlib.Path,
    units: int,
    plan: dict[str, Any],
    shards: int | None,
    deduplicate: bool,
    losses: spool.Tally,
) -> dict[str, Any]:
  """The shards and the manifest, of units that are all done."""
  working = directory / _WORKING
  counts, sizes = spool.Counts(losses=losses), []
  for index in range(units):
    of_unit = spool.read_counts(working, index)
    counts.merge(of_unit)
    sizes.append(of_unit.documents)
  if deduplicate:
    engine.deduplicate(working, units)
    for index in range(units):
      verdict = duplicates.read_verdict(working, index)
      counts.drops.merge(verdict.drops)
      sizes[index] = len(verdict.kept)
  count = sum(sizes)
  if not count:
    raise UserError(_nothing_left(plan, counts))
  shards = -(-count // records.PER_SHARD) if shards is None else shards
  if shards > count:
    raise UserError(
        f'{count} documents do not fill {shards} shards; run the same command '
        f'with --shards=1 to --shards={count}, which resumes from here'
    )
  layout = Layout(directory, working, tuple(sizes), shards, deduplicate)
  _write_shards(engine, layout)
  written = [layout.read(shard) for shard in range(shards)]
  names = {shard.entry['file'] for shard in written}
  for path in directory.glob('*.tfrecord'):
    if path.name not in names:  # of an earlier run with other --shards
      path.unlink()
  return records.write_manifest(directory, written, {
      **plan,
      'items': counts.items,
      'drops': dict(sorted(counts.drops.items())),
      'losses': dict(sorted(counts.losses.items())),
  })


def _write_shards(engine: Engine, layout: Layout) -> None:
  """Writes the shards that are not done yet."""
  todo = [s for s in range(layout.shards) if not layout.is_done(s)]
  done = layout.shards - len(todo)
  with progress.stage('writing', layout.shards, 'shards', done) as stage:
    for _ in engine.write_shards(layout, todo):
      stage.add()


def _nothing_left(plan: dict[str, Any], counts: spool.Counts) -> str:
  paths = names_of(plan['options']['paths'])
  told = ', '.join(filter(None, (counts.drops.told(), counts.losses.told())))
  if not counts.drops:
    return f'{paths} holds no item; name files that do'
  return (
      f'{paths}: no document is left of {counts.items:,} items: {told}; '
      'fix these, or name other files, another format or other flags '
      f'(`flamingo prepare {plan["source"]} --help`)'
  )

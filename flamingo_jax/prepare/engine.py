# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a source to shards: in parallel, resumable, the same bytes every time.

First every unit of the input is converted into DIR/working, in any order; then
the documents are written into shards, in the order of the input. Both go on
where they were when the program is killed. DIR/manifest.json comes last.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
import pathlib
import shutil
from typing import Any

import numpy as np
import PIL
import tensorflow as tf
import tqdm

import flamingo_jax
from flamingo_jax.data import records
from flamingo_jax.data.documents import Document
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import workers as workers_lib
from flamingo_jax.prepare.duplicates import Duplicates
from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.source import Dropped, Source, Unit

_WORKING, _PLAN = 'working', 'plan.json'
_REASONS_SHOWN = 3  # when nothing is left


def prepare(
    source: Source,
    directory: str | os.PathLike,
    *,
    shards: int | None = None,
    workers: int = 1,
    image_size: int = 320,
    exclude: str | os.PathLike | None = None,
    deduplicate: bool = False,
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
    deduplicate: removes what occurs too often (`duplicates`).

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
  directory = pathlib.Path(directory).absolute()
  looks = fitting.looks_of_folder(exclude) if exclude is not None else ()
  units = source.units()
  plan = _plan(source, units, image_size, looks, deduplicate)
  try:
    finished = _finished(directory, plan)
    if finished is not None:
      return finished
    with _locked(directory):
      plan_path = directory / _WORKING / _PLAN
      spool.write_atomically(plan_path, json.dumps(plan))
      images = getattr(source, 'images', None)
      if isinstance(images, FetchedImages):
        images = images.write_index(directory / _WORKING / 'images')
        source = dataclasses.replace(source, images=images)
      fitter = fitting.MediaFitter(image_size, looks)
      _convert(source, fitter, units, directory / _WORKING, workers)
      manifest = _write(directory, len(units), plan, shards, deduplicate)
      shutil.rmtree(directory / _WORKING)
      return manifest
  except (OSError, tf.errors.OpError) as error:
    reason = getattr(error, 'strerror', None) or getattr(error, 'message', '')
    raise UserError(
        f'{directory} cannot be written ({reason}); free space on its disk, or '
        'mend its permissions, and run the same command again'
    ) from None


def _plan(
    source: Source,
    units: Sequence[Unit],
    image_size: int,
    looks: tuple[int, ...],
    deduplicate: bool,
) -> dict[str, Any]:
  """All that the documents depend on."""
  digest = hashlib.sha256(repr(looks).encode())
  for unit in units:
    files = [os.path.join(unit.path, name) for name in unit.members]
    sizes = [os.path.getsize(f) for f in files or [unit.path]
             if os.path.exists(f)]
    digest.update(repr((unit, sizes)).encode())
  options = {
      field.name: getattr(source, field.name)
      for field in dataclasses.fields(source)
  }
  plan = {
      'source': type(source).__name__.lower(),
      'options': {
          **options, 'image_size': image_size, 'excluded': len(looks),
          'deduplicate': deduplicate,
      },
      'input_sha256': digest.hexdigest(),
      'version': {
          'flamingo_jax': flamingo_jax.__version__, 'pillow': PIL.__version__
      },
  }
  return json.loads(json.dumps(plan, default=os.fspath))


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[None]:
  """Keeps other processes from writing the folder at the same time."""
  working = directory / _WORKING
  working.mkdir(parents=True, exist_ok=True)
  with open(working / 'lock', 'w', encoding='ascii') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise UserError(
          f'{directory} is being written by another process; wait for it, or '
          'end it'
      ) from None
    yield


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
      f'{directory} exists already; remove it or name another folder'
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
    source: Source,
    fitter: fitting.MediaFitter,
    units: Sequence[Unit],
    working: pathlib.Path,
    workers: int,
) -> None:
  """Converts the units that are not done yet, with a bar on terminals."""
  todo = [i for i in range(len(units)) if not spool.is_done(working, i)]
  done = len(units) - len(todo)
  items = documents = 0
  with tqdm.tqdm(
      total=len(units), initial=done, unit=' pieces', disable=None
  ) as bar:
    for index in workers_lib.convert_units(
        source, fitter, units, todo, working, workers
    ):
      counts = spool.read_counts(working, index)
      items, documents = items + counts.items, documents + counts.documents
      bar.set_postfix(items=items, documents=documents, refresh=False)
      bar.update()


def _write(
    directory: pathlib.Path,
    units: int,
    plan: dict[str, Any],
    shards: int | None,
    deduplicate: bool,
) -> dict[str, Any]:
  """The shards and the manifest, of units that are all done."""
  working = directory / _WORKING
  counts = spool.Counts()
  for index in range(units):
    counts.merge(spool.read_counts(working, index))
  kept, trim = np.ones(counts.documents, bool), lambda entry: entry
  if deduplicate:
    kept, trim = _deduplicate(working, units, counts)
  if not kept.any():
    raise UserError(_nothing_left(counts))
  count = int(kept.sum())
  shards = -(-count // records.PER_SHARD) if shards is None else shards
  if shards > count:
    raise UserError(
        f'{count} documents do not fill {shards} shards; run the same command '
        f'with --shards=1 to --shards={count}, which goes on from here'
    )
  entries = map(trim, itertools.compress(_entries(working, units), kept))
  written = [
      _write_shard(directory, entries, count, shard, shards)
      for shard in tqdm.trange(shards, unit=' shards', disable=None)
  ]
  names = {shard.entry['file'] for shard in written}
  for path in directory.glob('*.tfrecord'):
    if path.name not in names:  # of an earlier run with other --shards
      path.unlink()
  return records.write_manifest(directory, written, {
      **plan,
      'items': counts.items,
      'drops': counts.drops.as_json(),
      'losses': counts.losses.as_json(),
  })


def _entries(working: pathlib.Path, units: int) -> Iterator[spool.Entry]:
  for index in range(units):
    yield from spool.read_entries(working, index)


def _deduplicate(
    working: pathlib.Path, units: int, counts: spool.Counts
) -> tuple[np.ndarray, Callable[[spool.Entry], spool.Entry]]:
  """Which documents are kept, and how; the others are counted."""
  duplicates = Duplicates()
  for entry in _entries(working, units):
    duplicates.count(entry)
  kept = np.ones(counts.documents, bool)
  for place, entry in enumerate(_entries(working, units)):
    try:
      duplicates.check(entry)
    except Dropped as dropped:
      kept[place] = False
      counts.drops.add(dropped.reason, dropped.detail)
  return kept, duplicates.trim


def _write_shard(
    directory: pathlib.Path,
    entries: Iterator[spool.Entry],
    count: int,
    shard: int,
    shards: int,
) -> records.Shard:
  """Writes a shard, or reads what is known of it if it is there."""
  begin, end = records.shard_range(count, shard, shards)
  mine = itertools.islice(entries, end - begin)
  path = directory / records.shard_name(directory.name, shard, shards)
  note = directory / _WORKING / f'{path.name}.json'
  index = note.with_suffix('.npy')
  if note.exists():
    for _ in mine:
      pass
    facts = json.loads(note.read_text(encoding='utf-8'))
    return records.Shard(facts['entry'], np.load(index), facts['kinds'])
  written = records.write_shard(_documents(mine, begin), path)
  np.save(index, written.index)
  spool.write_atomically(
      note, json.dumps({'entry': written.entry, 'kinds': written.kinds})
  )
  return written


def _documents(
    entries: Iterator[spool.Entry], first: int
) -> Iterator[Document]:
  for place, entry in enumerate(entries, first):
    yield entry.document(place)


def _nothing_left(counts: spool.Counts) -> str:
  tally = counts.drops
  reasons = sorted(tally.counts, key=tally.counts.get, reverse=True)
  told = '; '.join(
      f'{tally.counts[reason]:,} times {reason} ({tally.first[reason]})'
      for reason in reasons[:_REASONS_SHOWN]
  )
  if not told:
    return 'the input holds no item; name files that do'
  return f'no document is left of {counts.items:,} items: {told}'

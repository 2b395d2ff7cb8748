# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What of a checkpoint is damaged, and what is left to go on from.

The check reads what describes the arrays and holds the files of their values
against it: each has to be there and as long as it says. The values themselves
are not read, so that it takes no time beside reading a checkpoint.
"""

from collections.abc import Iterator
import contextlib
import itertools
import json
import math
import re
from typing import Any, NamedTuple

from etils import epath
import jax
import jax.numpy as jnp
import tensorstore

from flamingo_jax.data.buckets import is_address
from flamingo_jax.errors import UserError, chain
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.run_dir.steps import saved_steps

_TOLD = 200  # characters of what a library says


class Damage(NamedTuple):
  """Why a file cannot be what was saved."""

  file: epath.Path
  reason: str


def of_tree(folder: epath.Path) -> Damage | None:
  """What is damaged of a tree that Orbax wrote; None if it is whole."""
  described, damage = _read_json(folder / '_METADATA')
  if damage is None and not isinstance(described.get('tree_metadata'), dict):
    damage = Damage(folder / '_METADATA', 'it describes no arrays')
  optional = [folder / '_sharding', *folder.glob('array_metadatas/*')]
  for file in optional:
    if damage is None and file.exists():
      _, damage = _read_json(file)
  if damage:
    return damage
  if not described.get('use_ocdbt', False):
    arrays = sorted(folder.glob('*/.zarray'))
    found = (_of_chunks(described) for described in arrays)
    return next((damage for damage in found if damage), None)
  if not (folder / 'manifest.ocdbt').exists():
    return Damage(folder / 'manifest.ocdbt', 'it does not exist')
  try:
    sizes = _sizes(folder)
  except ValueError as error:  # TensorStore's
    return _named(error, folder)
  for name, size in sorted(sizes.items()):
    file = folder / name
    if not file.exists():
      return Damage(file, 'it does not exist')
    if file.stat().length < size:
      return Damage(
          file, f'it has {file.stat().length:,} of at least {size:,} bytes'
      )
  return None


def of_step(folder: epath.Path) -> Damage | None:
  """What is damaged of MODEL_DIR/checkpoint_<step>; None if it is whole."""
  damage = of_tree(folder / 'state')
  place = folder / 'data_iterator' / 'place.json'
  if damage is None and place.parent.exists():
    _, damage = _read_json(place, object)
  return damage or _read_json(folder / 'progress' / 'metadata')[1]


def check(folder: epath.Path, damage: Damage | None) -> None:
  """Raises UserError, which says what is left to go on from, of a damage.

  Args:
    folder: of what is saved: MODEL_DIR/checkpoint_<step>, a part of it, or
      another tree.
    damage: of it, if any.
  """
  if damage:
    raise UserError(
        f'{damage.file} is damaged ({damage.reason}): {_remedy(folder)}'
    )


@contextlib.contextmanager
def reading(folder: epath.Path) -> Iterator[None]:
  """Tells which file cannot be read while a block reads what is saved there.

  Raises:
    UserError: in the place of whatever Orbax, TensorStore and json raise.
  """
  try:
    with told_once():
      yield
  except (UserError, MemoryError, jax.errors.JaxRuntimeError):
    raise
  except Exception as error:
    file, reason = _named(error, folder)
    remedy = _remedy(folder)
    if isinstance(error, PermissionError) or 'PERMISSION_DENIED' in str(error):
      remedy = 'fix its permissions'
    elif is_address(folder):
      remedy = f'try again; if it is damaged, {remedy}'
    raise UserError(f'{file} cannot be read ({reason}): {remedy}') from error


def _read_json(
    file: epath.Path, kind: type = dict
) -> tuple[Any, Damage | None]:
  """({}, damage) of a file that has no JSON of that kind."""
  try:
    value = json.loads(file.read_text(encoding='utf-8'))
  except FileNotFoundError:
    return {}, Damage(file, 'it does not exist')
  except OSError as error:
    return {}, Damage(file, f'{error.strerror}')
  except ValueError:
    is_empty = not file.stat().length
    return {}, Damage(file, 'it is empty' if is_empty else 'it is not JSON')
  if not isinstance(value, kind):
    return {}, Damage(file, 'it holds something else')
  return value, None


def _sizes(folder: epath.Path) -> dict[str, int]:
  """{file: bytes} that describe and hold arrays, as they say themselves.

  Raises:
    ValueError: one that describes them cannot be read.
  """
  name = f'{folder}/'
  store = tensorstore.KvStore.open(
      name if is_address(folder) else {'driver': 'file', 'path': name}
  ).result()
  manifest = tensorstore.ocdbt.dump(store).result()
  # <kind>:<folder>:<file>:<begin>:<length> of other nodes and of values.
  places = [manifest['versions'][-1]['root'].get('location')]
  sizes = {}
  for place in places:
    if not place:  # of a tree without arrays, or of a value that is here
      continue
    kind, inside, file, begin, length = place.split(':')
    end = int(begin) + int(length)
    sizes[inside + file] = max(end, sizes.get(inside + file, 0))
    if kind == 'btreenode':
      try:
        node = tensorstore.ocdbt.dump(store, place).result()
      except ValueError as error:
        raise ValueError(f'"{folder / inside / file}": {error}') from error
      for entry in node['entries']:
        places += [entry.get('location'), entry.get('indirect_value')]
  return sizes


def _of_chunks(described: epath.Path) -> Damage | None:
  """What is damaged of an array whose chunks are files, as those of towers.

  Args:
    described: the array's .zarray.
  """
  array, damage = _read_json(described)
  if damage or array.get('compressor', '') is not None:  # how long, nothing says
    return damage
  size = math.prod(array['chunks']) * jnp.dtype(array['dtype']).itemsize
  counts = [-(-n // chunk) for n, chunk in zip(array['shape'], array['chunks'])]
  separator = array.get('dimension_separator', '.')
  for index in itertools.product(*map(range, counts or [1])):
    file = described.parent / separator.join(map(str, index))
    if not file.exists():
      return Damage(file, 'it does not exist')
    if file.stat().length != size:
      return Damage(file, f'it has {file.stat().length:,} of {size:,} bytes')
  return None


def _named(error: BaseException, folder: epath.Path) -> Damage:
  """The file that an error names, or the folder, and the error in short."""
  text = ' '.join(str(error).split())
  for cause in chain(error):
    for path in re.findall(r'"([^"]+)"', str(cause)):
      if path.startswith(f'{folder}/') and epath.Path(path).name:
        text = ' '.join(str(cause).split())
        return Damage(epath.Path(path), text.split(f'"{path}": ')[-1][:_TOLD])
  return Damage(folder, f'{type(error).__name__}: {text[:_TOLD]}')


def _remedy(folder: epath.Path) -> str:
  """What to do without an item."""
  steps = [folder, folder.parent]
  step = next((f for f in steps if f.name.startswith('checkpoint_')), None)
  if step is None:
    if folder.name != 'frozen':
      return 'copy it again from where it came'
    return (
        'copy it back, as all checkpoints of the run need it, or train anew in '
        'another MODEL_DIR'
    )
  run = step.parent
  whole = [
      number for number in saved_steps(run)
      if f'checkpoint_{number}' != step.name
      and of_step(run / f'checkpoint_{number}') is None
  ]
  if not whole:
    return (
        'copy it back, or train anew in another MODEL_DIR, as no other '
        'checkpoint of the run is whole'
    )
  return (
      f'copy it back, or remove {step} and go on from step {whole[-1]}, which '
      f'is {run}/checkpoint_{whole[-1]} (whole are those of steps '
      f'{", ".join(map(str, whole))})'
  )

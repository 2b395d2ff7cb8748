# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of a run, each read when it is asked for."""

from collections.abc import Iterator
import dataclasses
import math
import os
from typing import Any

from etils import epath
from flax import traverse_util
import numpy as np
import tensorstore

from flamingo_jax.convert.rules import Path
from flamingo_jax.data.buckets import as_folder, is_address
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import damage
from flamingo_jax.run_dir.steps import checkpoint_folder, find_step


@dataclasses.dataclass(frozen=True)
class _Place:
  """Where a parameter is."""

  folder: epath.Path
  name: str
  shape: tuple[int, ...]
  dtype: np.dtype
  chunk: tuple[int, ...]


class StoredWeights:
  """Of MODEL_DIR: those that are trained and those that are frozen."""

  def __init__(self, model_dir: str | os.PathLike, step: AnyNumber = None):
    """Reads what describes them.

    Args:
      model_dir: of a run, or of what flamingo convert has made.
      step: of a checkpoint; None: the newest; 'best': as of fj.load.

    Raises:
      UserError: there is none, or it is damaged.
    """
    self.folder = as_folder(model_dir)
    self.step = find_step(self.folder, step)
    state = checkpoint_folder(self.folder, self.step) / 'state'
    self._places = dict(_places(
        state, checkpoint.read_metadata(state)['params']
    ))
    frozen = self.folder / 'frozen'
    if frozen.exists():
      self._places |= dict(_places(frozen, checkpoint.read_metadata(frozen)))
    self._held: dict[Path, np.ndarray] = {}

  def __iter__(self) -> Iterator[Path]:
    return iter(self._places)

  def shape(self, path: Path) -> tuple[int, ...]:
    """Of a parameter."""
    return self._places[path].shape

  def dtype(self, path: Path) -> np.dtype:
    """That a parameter is stored as."""
    return self._places[path].dtype

  def parts(self, path: Path) -> Iterator[tuple[int, ...]]:
    """Places of a parameter that can be read without the rest of it."""
    place = self._places[path]
    alone = 0
    while alone < len(place.shape) and place.chunk[alone] == 1:
      alone += 1
    return iter(np.ndindex(place.shape[:alone]))

  def read(self, path: Path, place: tuple[int, ...] = ()) -> np.ndarray:
    """A parameter, or what of it is in this place of its stack.

    One that has to be read whole is held until `release`.

    Raises:
      UserError: it cannot be read.
    """
    if path in self._held:
      return np.asarray(self._held[path][place])
    stored = self._places[path]
    with damage.reading(stored.folder):
      store = tensorstore.open({
          'driver': 'zarr', 'kvstore': _kvstore(stored)
      }, read=True).result()
      if math.prod(stored.chunk[: len(place)]) == 1:
        return np.asarray(store[place].read().result())
      self._held[path] = np.asarray(store.read().result())
    return np.asarray(self._held[path][place])

  def release(self) -> None:
    """Lets go of what was read."""
    self._held.clear()


def _places(folder: epath.Path, tree: Any) -> Iterator[tuple[Path, _Place]]:
  for path, leaf in traverse_util.flatten_dict(tree).items():
    yield path, _Place(
        folder, leaf.name, tuple(leaf.shape), np.dtype(leaf.dtype),
        tuple(leaf.storage.chunk_shape),
    )


def _kvstore(place: _Place) -> Any:
  """As TensorStore names where an array is; Orbax names arrays."""
  base = os.fspath(place.folder)
  if (place.folder / 'manifest.ocdbt').exists():
    base = base if is_address(base) else f'file://{base}'
    return {'driver': 'ocdbt', 'base': f'{base}/', 'path': f'{place.name}/'}
  if is_address(base):
    return f'{base}/{place.name}/'
  return {'driver': 'file', 'path': f'{base}/{place.name}/'}

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Features of pictures in a folder, found by the digest of their pixels.

  manifest.json   what they are features of, and their shape and dtype
  features        one row after the other, read through a memory map
  digests         of 16 bytes; the i-th is that of the i-th row

A row counts once its digest is written, which is after the row: whatever a
process that is killed leaves behind is cut off when the folder is next opened.
"""

from collections.abc import Mapping, Sequence
import contextlib
import hashlib
import json
import math
from typing import Any

from etils import epath
import jax.numpy as jnp
import numpy as np

from flamingo_jax.data.owner import owned
from flamingo_jax.data.storage import write_atomically, writing
from flamingo_jax.errors import UserError

_DIGEST = 16  # bytes


def digest(pixels: np.ndarray) -> bytes:
  """The key of a picture: of its decoded and resized pixels."""
  return hashlib.blake2b(
      np.ascontiguousarray(pixels), digest_size=_DIGEST
  ).digest()


class FeatureStore:
  """An append-only table in one folder, of one process at a time."""

  def __init__(
      self,
      folder: epath.Path,
      shape: tuple[int, ...],
      dtype: Any,
      source: Mapping[str, Any],
  ):
    """Opens the folder, or makes it.

    Args:
      folder: on a file system of this machine.
      shape: of a row.
      dtype: of a row.
      source: what the features are of; plain values, compared with those of the
        folder.

    Raises:
      UserError: the folder holds other features, or another process uses it.
    """
    self._folder = folder
    self._shape, self._dtype = tuple(shape), jnp.dtype(dtype)
    self._map = np.empty((0, *self._shape), self._dtype)
    with contextlib.ExitStack() as stack:
      stack.enter_context(owned(
          folder, remedy='wait for it, or give this run another folder with '
          '--cache_media=DIR'
      ))
      _check_manifest(folder, {
          **source, 'shape': list(shape), 'dtype': self._dtype.name
      })
      opened = lambda name: stack.enter_context(open(folder / name, 'a+b'))
      with writing(folder):
        self._digests, self._features = opened('digests'), opened('features')
        self._rows = self._complete_rows()
      self._opened = stack.pop_all()

  def __len__(self) -> int:
    """Rows that are stored."""
    return len(self._rows)

  def __contains__(self, key: bytes) -> bool:
    """Whether the features of a picture are stored."""
    return key in self._rows

  def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
    """Stores rows of pictures that it does not have."""
    assert rows.shape == (len(keys), *self._shape), rows.shape
    assert rows.dtype == self._dtype, rows.dtype
    with writing(self._folder):
      self._features.write(np.ascontiguousarray(rows).tobytes())
      self._features.flush()
      self._digests.write(b''.join(keys))
      self._digests.flush()
    for key in keys:
      self._rows[key] = len(self._rows)

  def read(self, keys: Sequence[bytes]) -> np.ndarray:
    """[keys, ...]: the rows of pictures that are stored."""
    if len(self._map) < len(self._rows):
      self._map = np.memmap(
          self._features.name, self._dtype, 'r',
          shape=(len(self._rows), *self._shape),
      )
    return self._map[[self._rows[key] for key in keys]]

  def close(self) -> None:
    """Lets another process have the folder."""
    self._opened.close()

  def _complete_rows(self) -> dict[bytes, int]:
    """Row by digest; what a killed process left unfinished is cut off."""
    size = math.prod(self._shape) * self._dtype.itemsize
    self._digests.seek(0)
    digests = self._digests.read()
    count = min(len(digests) // _DIGEST, self._features.seek(0, 2) // size)
    self._digests.truncate(count * _DIGEST)
    self._features.truncate(count * size)
    return {
        digests[i * _DIGEST:(i + 1) * _DIGEST]: i for i in range(count)
    }


def _check_manifest(folder: epath.Path, manifest: dict[str, Any]) -> None:
  """Writes it, or raises UserError where the folder's is another."""
  path = folder / 'manifest.json'
  manifest = json.loads(json.dumps(manifest))  # tuples are lists there
  if not path.exists():
    write_atomically(path, json.dumps(manifest, indent=2) + '\n')
    return
  try:
    stored = dict(json.loads(path.read_text(encoding='utf-8')))
  except (ValueError, TypeError) as error:
    raise UserError(
        f'{path} is not JSON ({error}): delete {folder}'
    ) from None
  differences = [
      f'{name} is {stored.get(name)!r} there and {value!r} in this run'
      for name, value in manifest.items() if stored.get(name) != value
  ]
  if differences:
    raise UserError(
        f'{folder} holds features of another vision encoder '
        f'({"; ".join(differences)}): delete it, or give another folder with '
        '--cache_media=DIR'
    )

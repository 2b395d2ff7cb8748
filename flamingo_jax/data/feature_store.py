# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a model makes of media, in a folder, found by a digest of the medium.

  manifest.json   of what and by what the rows were made, their shape and dtype
  features        one row after the other
  digests         of 16 bytes, each followed by 8 that the row is checked with; the
                  i-th is that of the i-th row

A row counts once its digest is written, which is after the row: whatever a
process that is killed leaves behind is cut off before the next row is written. A
row that has changed since is as one that was never there. Several processes may
use a folder at once; they take turns to write.
"""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
from typing import Any

from etils import epath
import jax.numpy as jnp
import numpy as np

from flamingo_jax.data.storage import write_atomically, writing
from flamingo_jax.errors import UserError

_FORMAT = 2
_DIGEST = 16  # bytes
_CHECK = 8
_ENTRY = _DIGEST + _CHECK
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def digest(content: bytes | np.ndarray) -> bytes:
  """A key, such as of a picture's decoded and resized pixels."""
  if isinstance(content, np.ndarray):
    content = np.ascontiguousarray(content)
  return hashlib.blake2b(content, digest_size=_DIGEST).digest()


class FeatureStore:
  """An append-only table in one folder."""

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
      source: what the rows are made by; plain values, compared with those of the
        folder.

    Raises:
      UserError: the folder holds other rows, or cannot be written.
    """
    self._folder = folder
    self._shape, self._dtype = tuple(shape), jnp.dtype(dtype)
    self.row_bytes = math.prod(self._shape) * self._dtype.itemsize
    self._place: dict[bytes, tuple[int, bytes]] = {}  # row and check, by key
    self._known = 0  # entries that have been read
    with writing(folder):
      folder.mkdir(parents=True, exist_ok=True)
    _check_manifest(folder, {
        'format': _FORMAT, **source, 'shape': list(shape),
        'dtype': self._dtype.name,
    })
    with contextlib.ExitStack() as stack, writing(folder):
      opened = lambda name: stack.enter_context(
          open(folder / name, 'a+b', buffering=0)
      )
      self._digests, self._features = opened('digests'), opened('features')
      self._opened = stack.pop_all()

  def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
    """Stores rows, behind those that are there.

    Raises:
      UserError: they cannot be written; what was there still is.
    """
    assert rows.shape == (len(keys), *self._shape), rows.shape
    assert rows.dtype == self._dtype, rows.dtype
    data = [np.ascontiguousarray(row).tobytes() for row in rows]
    entries = [key + _check(key, row) for key, row in zip(keys, data)]
    with writing(self._folder), self._locked():
      self._look()
      # What another process left unfinished.
      self._digests.truncate(self._known * _ENTRY)
      self._features.truncate(self._known * self.row_bytes)
      _write(self._features, b''.join(data))
      _write(self._digests, b''.join(entries))
      self._look()

  def find(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
    """The rows that are stored whole, by key."""
    if any(key not in self._place for key in keys):
      self._look()
    found = {}
    for key in dict.fromkeys(keys):
      if key not in self._place:
        continue
      place, check = self._place[key]
      row = os.pread(
          self._features.fileno(), self.row_bytes, place * self.row_bytes
      )
      if len(row) == self.row_bytes and _check(key, row) == check:
        found[key] = np.frombuffer(row, self._dtype).reshape(self._shape)
      else:
        del self._place[key]
    return found

  def close(self) -> None:
    """Closes its files."""
    self._opened.close()

  def _look(self) -> None:
    """Learns what has been written since it was last done."""
    size = os.fstat(self._features.fileno()).st_size
    whole = os.fstat(self._digests.fileno()).st_size // _ENTRY
    count = min(whole, size // self.row_bytes)
    self._known = min(self._known, count)
    entries = os.pread(
        self._digests.fileno(), (count - self._known) * _ENTRY,
        self._known * _ENTRY,
    )
    for start in range(0, len(entries), _ENTRY):
      entry = entries[start : start + _ENTRY]
      self._place[entry[:_DIGEST]] = self._known, entry[_DIGEST:]
      self._known += 1

  @contextlib.contextmanager
  def _locked(self) -> Iterator[None]:
    """Until the block ends no other process writes."""
    try:
      fcntl.flock(self._digests, fcntl.LOCK_EX)
    except OSError as error:  # some network file systems have no locks
      if error.errno not in _WITHOUT_LOCKS:
        raise
    try:
      yield
    finally:
      with contextlib.suppress(OSError):
        fcntl.flock(self._digests, fcntl.LOCK_UN)


def _check(key: bytes, row: bytes) -> bytes:
  """Tells a row that is whole and where it belongs."""
  return hashlib.blake2b(row, digest_size=_CHECK, key=key).digest()


def _write(file: Any, data: bytes) -> None:
  """All of it, to a file without a buffer."""
  rest = memoryview(data)
  while rest:
    rest = rest[file.write(rest) :]


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

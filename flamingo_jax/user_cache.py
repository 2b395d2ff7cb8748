# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of what can be made again, where this system keeps a user's caches.

What is found there is used as it is, so nobody else may write it. Whatever is in
a folder may be deleted at any time.
"""

import os
import pathlib
import stat
import sys
import tempfile

# Bytes of all that is kept of each kind.
LARGEST = {'compiled': 10**9, 'media': 10**10}
_OURS = 'flamingo_jax'


def root(name: str) -> pathlib.Path:
  """The folder of a kind of things; it need not be there yet."""
  given = os.environ.get('XDG_CACHE_HOME', '')
  if sys.platform == 'darwin':
    caches = pathlib.Path('~/Library/Caches').expanduser()
  elif os.path.isabs(given):  # others are to be ignored, says the standard
    caches = pathlib.Path(given)
  else:
    caches = pathlib.Path('~/.cache').expanduser()
  return caches / _OURS / name


def usable(folder: pathlib.Path) -> pathlib.Path:
  """A folder of a `root`, made if it is missing.

  Raises:
    OSError: it cannot be written, or others can write it.
  """
  folder.mkdir(mode=0o700, parents=True, exist_ok=True)
  for part in (folder, *folder.parents):
    found = part.stat()
    if found.st_uid != os.getuid() or found.st_mode & (
        stat.S_IWGRP | stat.S_IWOTH
    ):
      raise PermissionError(f'others than you may write {part}')
    if part.name == _OURS:
      break
  with tempfile.TemporaryFile(dir=folder):
    return folder


def bytes_kept(folder: pathlib.Path) -> int:
  """Of all files in a folder and its folders."""
  return sum(size for _, size, _ in _entries(folder))


def remove_oldest(
    folder: pathlib.Path, largest: int, spared: pathlib.Path | None = None
) -> None:
  """Removes the files that were used last long ago, until the rest is small.

  Args:
    folder: a `root`.
    largest: bytes that may be left.
    spared: a folder in it, whose files stay.
  """
  entries = _entries(folder)
  total = sum(size for _, size, _ in entries)
  for _, size, path in entries:
    if total <= largest:
      return
    if spared is None or not path.is_relative_to(spared):
      remove(path)
      total -= size


def remove(path: pathlib.Path) -> None:
  """Removes a file, if it is there and may be removed."""
  try:
    path.unlink()
  except OSError:  # another process was first, or it may not be removed
    pass


def _entries(folder: pathlib.Path) -> list[tuple[float, int, pathlib.Path]]:
  """(when it was last used, bytes, path) of each file, the oldest first."""
  found = []
  for path in folder.rglob('*'):
    try:
      status = path.lstat()
    except OSError:  # another process has just removed it
      continue
    if stat.S_ISREG(status.st_mode):
      last = max(status.st_atime, status.st_mtime)
      found.append((last, status.st_size, path))
  return sorted(found)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that a user names: opened only if there is something to read.

A named pipe, a socket, a device or a folder is an OSError that says what it is,
as a file without permission is: what opens files tells both in its own words.
"""

import errno
import os
import stat
from typing import IO, Any

_KINDS = {
    stat.S_IFIFO: 'a named pipe', stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device', stat.S_IFBLK: 'a device',
    stat.S_IFDIR: 'a folder',
}


def open_file(
    path: str | os.PathLike, mode: str = 'rb', **options: Any
) -> IO[Any]:
  """`open` for reading a file that ends.

  Raises:
    OSError: it cannot be opened, or is no file; `strerror` says which.
    ValueError: the path has a NUL.
  """
  return open(path, mode, opener=_open_regular, **options)


def check(path: str | os.PathLike) -> None:
  """Whether there is a file, for libraries that open it by its path.

  Raises:
    OSError, ValueError: as of `open_file`.
  """
  _check(os.stat(path), path)


def kind_of(path: str | os.PathLike) -> str:
  """What is there that is no file: 'a named pipe', 'a folder' ..."""
  return _kind(os.stat(path))


def _open_regular(path: str, flags: int) -> int:
  check(path)  # to open some devices does something to them
  # What took the file's place since is told as well: nothing waits for a pipe.
  file = os.open(path, flags | os.O_NONBLOCK)
  try:
    _check(os.fstat(file), path)
  except OSError:
    os.close(file)
    raise
  return file


def _check(found: os.stat_result, path: str | os.PathLike) -> None:
  if not stat.S_ISREG(found.st_mode):
    raise OSError(
        errno.EINVAL, f'it is {_kind(found)}, not a file', os.fspath(path)
    )


def _kind(found: os.stat_result) -> str:
  return _KINDS.get(stat.S_IFMT(found.st_mode), 'something else')

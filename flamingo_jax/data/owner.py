# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A folder that a program writes is that of one process, or job, at a time.

The owner holds a lock of the operating system on DIR/.lock, which ends with its
process, however that ends: a file that is left behind keeps nobody out. Buckets
have no such locks, nor have some network file systems; nothing keeps a second
program from these.
"""

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import io
import os
import pathlib
import socket

from flamingo_jax.data import storage
from flamingo_jax.data.buckets import is_address
from flamingo_jax.errors import UserError

LOCK = '.lock'
_REMEDY = 'wait for it, end it, or name another folder'
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def owned(
    folder: str | os.PathLike, lock: str = LOCK, remedy: str = _REMEDY
) -> Iterator[None]:
  """Makes a folder, and keeps others from writing it until the block ends.

  Args:
    folder: that will be written. If it was made and nothing is in it at the
      end, it is removed.
    lock: the file, in the folder; programs that may share one have different
      locks.
    remedy: what to do where another process has the folder.

  Raises:
    UserError: another process has it, or it cannot be written.
  """
  if is_address(folder):
    yield
    return
  path = pathlib.Path(folder)
  is_new = not path.exists()
  with storage.writing(path):
    file = _open_locked(path / lock)
  if file is None:
    raise UserError(
        f'{path} is being written by another process{_name(path / lock)}; '
        f'{remedy}'
    )
  with file:
    try:
      file.write(f'{os.getpid()} on {socket.gethostname()}\n'.encode())
      yield
    finally:
      with contextlib.suppress(OSError):
        (path / lock).unlink()
        if is_new:
          path.rmdir()  # unless something is in it


def _open_locked(path: pathlib.Path) -> io.FileIO | None:
  """The file, locked; None if another process has locked it."""
  while True:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, 'a+b', buffering=0)
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
      if error.errno in _WITHOUT_LOCKS:
        return file
      file.close()
      if isinstance(error, BlockingIOError):
        return None
      raise
    # Its owner may have removed it since, and another made a new one.
    with contextlib.suppress(FileNotFoundError):
      if os.path.samestat(os.fstat(file.fileno()), path.stat()):
        file.truncate(0)
        return file
    file.close()


def _name(path: pathlib.Path) -> str:
  """What the owner has written about itself."""
  with contextlib.suppress(OSError, ValueError):
    if text := path.read_text(encoding='ascii').strip():
      return f' ({text})'
  return ''

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of files in buckets: gs://BUCKET/..., and what else TensorStore opens."""

import errno
import functools
import os
from typing import Any

from etils import epath

from flamingo_jax.errors import UserError, shown


def is_address(path: str | os.PathLike) -> bool:
  """Whether a path leads to a bucket and not into this machine's folders."""
  return '://' in os.fspath(path)


def as_folder(path: str | os.PathLike) -> epath.Path:
  """A folder, made absolute; gs://BUCKET/... stays what it is.

  Raises:
    UserError: it is no name of a folder.
  """
  is_name = isinstance(path, (str, os.PathLike))
  name = os.fspath(path) if is_name else None
  if not name or not isinstance(name, str) or '\0' in name:
    raise UserError(
        f'{shown(path)} is not the name of a folder: give one, such as "runs/own"'
    )
  return epath.Path(name if is_address(name) else os.path.abspath(name))


def read(
    path: str | os.PathLike, begin: int = 0, end: int | None = None
) -> bytes:
  """Bytes begin to end of a file, and nothing else of it, in one request.

  TensorStore tries again where that may help, and reads 32 files at once.

  Raises:
    FileNotFoundError: there is no such file.
    OSError: the bucket does not answer or refuses, or the file ends before
      `end`.
  """
  folder, _, name = os.fspath(path).rpartition('/')
  try:
    request = _open(f'{folder}/').read(name, byte_range=slice(begin, end))
    found = request.result()
  except ValueError as error:
    (reason, *_) = str(error).splitlines()
    raise OSError(errno.EIO, reason) from None
  if found.state != 'value':
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
  return found.value


@functools.lru_cache(maxsize=64)
def _open(folder: str) -> Any:
  import tensorstore  # not before a bucket is read

  return tensorstore.KvStore.open(folder).result()

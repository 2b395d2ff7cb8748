# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where gin files and what they include are found.

'configs/mine.gin' is looked for in the current folder, then in the folders of the
file that was asked for, then in this package, which is installed with configs/.
'flamingo_jax/configs/NAME.gin' is always the file of the package.
"""

from collections.abc import Iterator, Sequence
import contextlib
import os
import pathlib
from typing import TextIO

import gin

from flamingo_jax import opening
from flamingo_jax.errors import UserError

_PACKAGE = pathlib.Path(__file__).parent
_INSTALLED = [os.fspath(_PACKAGE), os.fspath(_PACKAGE.parent)]
_being_read: list[str] = []


def find(
    name: str | os.PathLike, included_by: pathlib.Path | None = None
) -> pathlib.Path:
  """The file of that name, of the current folder or of the package.

  Args:
    name: of the file.
    included_by: the file that was asked for, if another file includes this one.

  Raises:
    UserError: there is none.
  """
  beside = included_by.parents[:3] if included_by else ()
  for folder in ('', *beside, *_INSTALLED):
    path = pathlib.Path(folder, name)
    if path.is_file():
      return path
    if path.exists() and not path.is_dir():
      raise UserError(
          f'gin file {path} is {opening.kind_of(path)}, not a file; save what '
          'comes from there as one'
      )
  raise UserError(
      f'gin file {name} does not exist, neither here nor among those that come '
      'with flamingo_jax'
  )


def look_beside(paths: Sequence[pathlib.Path]) -> None:
  """Lets gin find what these files include.

  Args:
    paths: an include in one of them may be relative to the current folder, to
      the file's folder or to one of the two above it, or name a file of the
      package.
  """
  folders = [os.fspath(folder) for p in paths for folder in p.parents[:3]]
  _set_folders(['', *folders, *_INSTALLED])


def look_in_package() -> None:
  """Lets gin find the files of the package after those it finds already."""
  _set_folders([*gin.config._LOCATION_PREFIXES, *_INSTALLED])


def _set_folders(folders: Sequence[str]) -> None:
  gin.config._LOCATION_PREFIXES[:] = dict.fromkeys(folders)
  # Files alone: gin's reader of Python packages complains of each folder without
  # the file and fails at a package without __init__.py, such as one's configs/.
  gin.config._FILE_READERS[:] = [(_read, os.path.isfile)]


@contextlib.contextmanager
def _read(name: str) -> Iterator[TextIO]:
  """Opens a file for as long as gin reads it and what it includes."""
  path = os.path.realpath(name)
  if path in _being_read:
    raise UserError(
        f"gin file {name} includes itself: 'flamingo_jax/configs/NAME.gin' is "
        'the file of that name that comes with flamingo_jax'
    )
  _being_read.append(path)
  try:
    with opening.open_file(name, 'r', encoding='utf-8') as file:
      yield file
  finally:
    _being_read.pop()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Modules of one's own, in the current folder, which nothing else finds there.

A random.py or tasks.py that happens to lie in the current folder is no part of
any library. It is imported where a gin file or a flag names it, if no installed
module has the name.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import sys
import sysconfig
import types
from typing import Any

from flamingo_jax.errors import UserError, shown


def keep_current_folder_out() -> None:
  """Undoes what `python -m` does to sys.path, as Python's -P would.

  A program calls it first, before the imports that it is about.
  """
  with contextlib.suppress(OSError):  # a folder that was removed
    if not sys.flags.safe_path and sys.path[0] in ('', os.getcwd()):
      del sys.path[0]


@contextlib.contextmanager
def kept_out_of_processes() -> Iterator[None]:
  """Processes that a block starts with `python -c` don't search it either."""
  name = 'PYTHONSAFEPATH'
  before = os.environ.get(name)
  os.environ[name] = '1'
  try:
    yield
  finally:
    del os.environ[name]
    if before is not None:
      os.environ[name] = before


def import_module(name: str) -> types.ModuleType:
  """A module by its full name, sought in the current folder last.

  Raises:
    ImportError: it is nowhere, or cannot be imported.
  """
  find_here(name)
  return importlib.import_module(name)


def named(text: str, flag: str) -> tuple[types.ModuleType, Any]:
  """The module and the object that 'my.module:NAME' names.

  Args:
    text: what a user wrote.
    flag: for what, such as '--benchmark'.

  Raises:
    UserError: it is no such name, or nothing has it.
  """
  match = re.fullmatch(r'(\w+(?:\.\w+)*):(\w+)', text)
  if not match:
    raise UserError(f'{flag}={shown(text)} is no MODULE:NAME; write it like '
                    'my.module:NAME')
  module, name = match.groups()
  try:
    found = import_module(module)
  except (ImportError, SyntaxError) as error:
    raise UserError(
        f'{flag}={text}: {module} cannot be imported ({error}); run it from the '
        'folder that has it, or mend it'
    ) from error
  if not hasattr(found, name):
    raise UserError(f'{flag}={text}: {found.__file__} has no {name}; name one '
                    'of its top')
  return found, getattr(found, name)


def source_hashes(module: types.ModuleType) -> dict[str, str]:
  """SHA-256 of the source of a module, and of those that lie beside it.

  Of those that it imported, that is: of its package, or of its folder where
  nothing is installed.
  """
  location = _location(module)
  installed = {sysconfig.get_path(name) for name in ('purelib', 'platlib')}
  root = module.__name__.partition('.')[0]
  hashes = {}
  for name, other in sorted(sys.modules.items()):
    is_its = name.partition('.')[0] == root or (
        _location(other) == location and location not in installed
    )
    file = getattr(other, '__file__', None)
    if is_its and file and os.path.isfile(file):
      content = pathlib.Path(file).read_bytes()
      hashes[name] = hashlib.sha256(content).hexdigest()
  return hashes


def _location(module: Any) -> str | None:
  """The folder that has what is among the modules, or the package it is in."""
  file = getattr(module, '__file__', None)
  if not file:
    return None
  name = getattr(module, '__name__', '')
  folder = pathlib.Path(file).absolute().parent
  depth = name.count('.') + (pathlib.Path(file).name == '__init__.py')
  parents = [folder, *folder.parents]
  return os.fspath(parents[min(depth, len(parents) - 1)])


def find_here(name: str) -> None:
  """Imports a module if the current folder alone has it.

  While it is imported, what it imports is sought there too, last.
  """
  root = name.partition('.')[0]
  here = _CurrentFolder(root)
  if root.startswith('__') or _is_installed(name) or not here.find_spec(root):
    return
  hidden = sys.modules.pop(root, None)  # an installed one, without this module
  sys.meta_path.insert(0, here)
  sys.path.append(here.folder)
  try:
    importlib.import_module(name)
  except BaseException:
    if hidden is not None:
      sys.modules[root] = hidden
    raise
  finally:
    sys.path.remove(here.folder)
    sys.meta_path.remove(here)


class _CurrentFolder:
  """Finds one module, or the package of one, in the current folder."""

  def __init__(self, root: str):
    self.folder = os.getcwd()
    self._root = root

  def find_spec(self, name, path=None, target=None):
    del path, target
    if name != self._root:
      return None
    return importlib.machinery.PathFinder.find_spec(name, [self.folder])


def _is_installed(name: str) -> bool:
  try:
    return name in sys.modules or importlib.util.find_spec(name) is not None
  except ModuleNotFoundError:  # of a package that it would be in
    return False

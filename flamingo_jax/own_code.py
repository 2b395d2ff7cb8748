# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Modules of one's own, in the current folder, which nothing else finds there.

A random.py or tasks.py that happens to lie in the current folder is no part of
any library. It is imported where a gin file or a flag names it, if no installed
module has the name.
"""

from collections.abc import Iterator
import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import types


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

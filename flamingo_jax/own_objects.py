# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of a user's own modules, by name, and the source they are made of."""

import hashlib
import os
import pathlib
import re
import sys
import sysconfig
import types
from typing import Any

from flamingo_jax.errors import UserError, shown
from flamingo_jax.own_code import import_module


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
    raise UserError(f'{flag}={shown(text)} is not a MODULE:NAME; write it like '
                    'my.module:NAME')
  module, name = match.groups()
  try:
    found = import_module(module)
  except (ImportError, SyntaxError) as error:
    raise UserError(
        f'{flag}={text}: {module} cannot be imported ({error}); run it from the '
        'folder that has it, or fix it'
    ) from error
  if not hasattr(found, name):
    raise UserError(f'{flag}={text}: {found.__file__} has no {name}; name '
                    'something at its top level')
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

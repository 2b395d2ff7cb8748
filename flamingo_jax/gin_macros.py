# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The values of NAME = value in gin files, read without importing anything."""

import ast
from collections.abc import Collection, Iterator, Sequence
import contextlib
import dataclasses
import difflib
import pathlib
from typing import Any

from gin import config_parser

from flamingo_jax import opening
from flamingo_jax import gin_search
from flamingo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class _Macro:
  """%NAME, whose value comes from another line."""

  name: str


class _Delegate(config_parser.ParserDelegate):
  """Keeps the names of macros; what functions would return is not known."""

  def configurable_reference(self, name, evaluate):
    return None

  def macro(self, name):
    return _Macro(name)


def read(
    gin_files: Sequence[str], bindings: Sequence[str] = ()
) -> dict[str, Any]:
  """{name: value} of all macros; a value that a function makes is None.

  Args:
    gin_files: as of `gin_config.parse`.
    bindings: 'NAME=value', which override them.

  Raises:
    UserError: a missing file, one that is not gin, or a name that none binds.
  """
  found: dict[str, Any] = {}
  for name in gin_files:
    path = gin_search.find(name)
    for statement in _statements(path, path):
      if isinstance(statement, config_parser.BindingStatement):
        if not (statement.scope or statement.arg_name):
          found[statement.selector] = statement.value
  for binding in bindings:
    name, value = split(binding, set(found))
    found[name] = _literal(value.strip())
  return {name: _resolve(value, found) for name, value in found.items()}


def imported(paths: Sequence[pathlib.Path]) -> list[str]:
  """Full names of the modules that gin files import, as far as they are gin."""
  modules = {}
  with contextlib.suppress(UserError):  # gin tells it better
    for path in paths:
      for statement in _statements(path, path):
        if isinstance(statement, config_parser.ImportStatement):
          modules[statement.module] = None
  return list(modules)


def split(binding: str, known: Collection[str]) -> tuple[str, str]:
  """'NAME=value' to both.

  Args:
    binding: of a macro, or of a parameter, which has a dot in its name.
    known: macros.

  Raises:
    UserError: there is no value, or no macro of that name.
  """
  name, separator, value = binding.partition('=')
  name = name.strip()
  if not separator:
    raise UserError(f'--gin.{binding} has no value: write --gin.{name}=VALUE')
  if '.' not in name and name not in known:
    closest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    told = (f'did you mean {closest[0]}?' if closest
            else f'the names are {", ".join(sorted(known))}')
    raise UserError(f'unknown gin name {name!r}: {told}')
  return name, value


def _literal(value: str) -> Any:
  """What gin would read; None for what a function returns."""
  if value.startswith('%'):
    return _Macro(value[1:])
  if value.startswith('@'):
    return None
  try:
    return ast.literal_eval(value)
  except (ValueError, SyntaxError):
    return value


def _statements(
    path: pathlib.Path, asked_for: pathlib.Path,
    including: tuple[pathlib.Path, ...] = (),
) -> Iterator[Any]:
  """Of a file and those that it includes, in order."""
  place = path.resolve()
  if place in including:
    raise UserError(f'gin file {path} includes itself')
  try:
    with opening.open_file(path, 'r', encoding='utf-8') as file:
      for statement in config_parser.ConfigParser(file, _Delegate()):
        if isinstance(statement, config_parser.IncludeStatement):
          included = gin_search.find(statement.filename, asked_for)
          yield from _statements(included, asked_for, (*including, place))
        else:
          yield statement
  except SyntaxError as error:
    raise UserError(f'{path}: {error}') from None


def _resolve(value: Any, found: dict[str, Any]) -> Any:
  """The value with that of each %NAME in its place."""
  if isinstance(value, _Macro):
    return _resolve(found.get(value.name), found)
  if isinstance(value, dict):
    return {key: _resolve(inner, found) for key, inner in value.items()}
  return value

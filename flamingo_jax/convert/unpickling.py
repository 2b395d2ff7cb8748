# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pickles without what they would run.

A pickle is a program. Of one that is read here nothing runs but the names that
its reader knows, and what these stand for only makes arrays and dicts.
"""

from collections.abc import Callable, Mapping
import os
import pathlib
import pickle
from typing import Any

from flamingo_jax.errors import UserError

# By 'module.name', what stands in its place.
Known = Mapping[str, Any]


def find(known: Known, module: str, name: str) -> Any:
  """What stands for a name; UnpicklingError if nothing does."""
  if f'{module}.{name}' not in known:
    raise pickle.UnpicklingError(
        f'it asks for {module}.{name}, which is not run'
    )
  return known[f'{module}.{name}']


class Unpickler(pickle.Unpickler):
  """Knows the names of a table alone."""

  def __init__(
      self, file: Any, known: Known,
      storage: Callable[[Any], Any] | None = None,
  ):
    """Reads nothing yet.

    Args:
      file: of bytes.
      known: all names.
      storage: of what the pickle names and does not hold; None: an error.
    """
    super().__init__(file)
    self._known, self._storage = known, storage

  def find_class(self, module: str, name: str) -> Any:
    return find(self._known, module, name)

  def persistent_load(self, pid: Any) -> Any:
    if self._storage is None:
      raise pickle.UnpicklingError('it refers to what is not in it')
    return self._storage(pid)


def load(unpickle: Callable[[], Any], path: os.PathLike, what: str) -> Any:
  """What a pickle holds.

  Args:
    unpickle: reads it.
    path: of the file, for messages.
    what: it is said to be, likewise.

  Raises:
    UserError: it is damaged, or would run what is not known here.
  """
  try:
    return unpickle()
  except UserError:
    raise
  except Exception as error:  # a broken pickle may raise any
    is_told = isinstance(error, pickle.UnpicklingError)
    why = error if is_told else type(error).__name__
    raise UserError(
        f'{path} cannot be read as {what} ({why}); download it again'
    ) from None

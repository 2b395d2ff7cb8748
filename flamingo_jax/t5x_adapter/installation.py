# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Is t5x there, is it driving this process, and is it whole?"""

import importlib.metadata
import importlib.util
import os
import pathlib
import sys
import types

from flamingo_jax import gin_search
from flamingo_jax.driver import processes
from flamingo_jax.errors import UserError

# On GitHub only; the first three are used as checkouts or installed without
# their dependencies, which ask for nightly builds of seqio and others.
NEEDED = ('t5x', 'airio', 'jestimator', 'cached_property', 'fiddle', 'grain')
_REMEDY = 'install it as docs/t5x.md says'


def is_main() -> bool:
  """Whether a program of t5x is what Python was started with."""
  main = sys.modules['__main__']
  file, folder = getattr(main, '__file__', None), _folder()
  return bool(file and folder) and pathlib.Path(file).resolve().parent == folder


def prepare() -> None:
  """Checks t5x and makes its program behave like the built-in driver.

  Raises:
    UserError: a package is missing, or overwritten by another one; the
      processes of a job don't find each other.
  """
  check()
  # "python t5x/train.py" puts t5x's own folder first on the path, where its
  # tasks.py hides a folder of that name with tasks of one's own.
  sys.path[:] = [
      path for path in sys.path
      if not path or pathlib.Path(path).resolve() != _folder()
  ]
  gin_search.look_in_package()
  sys.excepthook = _tell_user_errors(sys.excepthook)
  processes.join()


def check() -> None:
  """Raises UserError if t5x cannot work as it is installed."""
  missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
  if missing:
    raise UserError(f'{missing[0]} is not installed: {_REMEDY}')
  for intruder, victim in (
      ('seqio-nightly', 'seqio'), ('tfds-nightly', 'tensorflow-datasets')
  ):
    try:
      importlib.metadata.distribution(intruder)
    except importlib.metadata.PackageNotFoundError:
      continue
    raise UserError(
        f'{intruder} has overwritten files of {victim}: pip uninstall -y '
        f'{intruder} {victim} t5, then {_REMEDY}'
    )


def _folder() -> pathlib.Path | None:
  """The folder of the package t5x, which is not imported for that."""
  spec = importlib.util.find_spec('t5x')
  if spec is None or not spec.origin:
    return None
  return pathlib.Path(os.path.dirname(spec.origin)).resolve()


def _tell_user_errors(otherwise: types.FunctionType) -> types.FunctionType:
  """An excepthook that prints a UserError as its one sentence."""

  def hook(kind, error, traceback):
    if isinstance(error, UserError):
      # Gin adds lines on where it was.
      sentence = str(error).split('\n  In ')[0]
      print(f'error: {sentence}', file=sys.stderr)
    else:
      otherwise(kind, error, traceback)

  return hook

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What was compiled for an answer is kept for the next: JAX's cache of programs.

It is in the user's cache folder, in a folder for each kind of CPU: what was
compiled for one need not run on another, and homes are shared. JAX itself neither
replaces an entry that it cannot read nor bounds a folder without locking it for
every read.
"""

import hashlib
import os
import pathlib
import re
import sys
import warnings

from flamingo_jax import errors
from flamingo_jax import machine
from flamingo_jax import user_cache

_SWITCHES = ('JAX_COMPILATION_CACHE_DIR', 'JAX_ENABLE_COMPILATION_CACHE')
_SECONDS = 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'


def own_switch() -> str | None:
  """The variable of JAX by which the user has decided, if there is one."""
  return next((name for name in _SWITCHES if name in os.environ), None)


def root() -> pathlib.Path:
  """The folder of all CPUs."""
  return user_cache.root('compiled')


def usable_folder() -> pathlib.Path:
  """The folder of this machine's CPU, made if it is missing.

  Raises:
    OSError: it cannot be written, or others can write it.
  """
  return user_cache.usable(
      root() / hashlib.sha256(machine.cpu().encode()).hexdigest()[:16]
  )


def keep() -> None:
  """Has JAX, which is not imported yet, read and write what is compiled.

  It does nothing where the user has set JAX's own variables. A folder that cannot
  be used is told once, on standard error, and so is what is damaged in it.
  """
  if own_switch() or 'jax' in sys.modules:
    return
  try:
    folder = usable_folder()
    user_cache.remove_oldest(root(), user_cache.LARGEST['compiled'])
  except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home
    _note(f'compiled programs are not kept ({error}), so that each start compiles '
          'them again; name a folder of your own with XDG_CACHE_HOME')
    return
  os.environ['JAX_COMPILATION_CACHE_DIR'] = os.fspath(folder)
  os.environ.setdefault(_SECONDS, '0.1')
  _mend_what_jax_cannot_read(folder)


def _mend_what_jax_cannot_read(folder: pathlib.Path) -> None:
  """Removes entries of a program that JAX warns of; it then writes them anew."""
  show, told = warnings.showwarning, []

  def showwarning(message, *args, **kwargs):
    found = re.match(
        r"Error (reading|writing) persistent compilation cache entry for '(.+?)'"
        r': (.*)', str(message), re.S,
    )
    if not found:
      show(message, *args, **kwargs)
      return
    action, name, why = found.groups()
    if action == 'reading':
      for entry in folder.glob(f'{name}-*-cache'):
        user_cache.remove(entry)
    if not told:
      then = ('it is compiled again' if action == 'reading' else
              'the next start compiles it again')
      _note(f'a compiled program in {folder} failed in {action} ({why}); {then}')
      told.append(name)

  warnings.showwarning = showwarning
  warnings.filterwarnings(
      'always', 'Error (reading|writing) persistent compilation cache'
  )


def _note(text: str) -> None:
  print(f'note: {errors.one_line(text)}', file=sys.stderr)

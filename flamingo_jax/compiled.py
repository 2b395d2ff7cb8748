# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What was compiled for an answer is kept for the next: JAX's cache of programs.

It is in the user's cache folder, in a folder for each kind of CPU: what was
compiled for one need not run on another, and homes are shared. JAX runs what it
finds there, so nobody else may write it. JAX itself neither replaces an entry that
it cannot read nor bounds a folder without locking it for every read.
"""

import hashlib
import os
import pathlib
import platform
import re
import stat
import subprocess
import sys
import tempfile
import warnings

from flamingo_jax import errors

LARGEST = 10**9  # bytes, of all CPUs
_SWITCHES = ('JAX_COMPILATION_CACHE_DIR', 'JAX_ENABLE_COMPILATION_CACHE')
_SECONDS = 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'
# What /proc/cpuinfo says of a kind of CPU, on the architectures of Linux.
_KIND = re.compile(
    r'vendor_id|cpu family|model|stepping|flags|features|isa|uarch|'
    r'cpu (implementer|architecture|variant|part|revision)', re.I
)


def own_switch() -> str | None:
  """The variable of JAX by which the user has decided, if there is one."""
  return next((name for name in _SWITCHES if name in os.environ), None)


def root() -> pathlib.Path:
  """The folder of all CPUs, where this system keeps caches."""
  given = os.environ.get('XDG_CACHE_HOME', '')
  if sys.platform == 'darwin':
    caches = pathlib.Path('~/Library/Caches').expanduser()
  elif os.path.isabs(given):  # others are to be ignored, says the standard
    caches = pathlib.Path(given)
  else:
    caches = pathlib.Path('~/.cache').expanduser()
  return caches / 'flamingo_jax' / 'compiled'


def usable_folder() -> pathlib.Path:
  """The folder of this machine's CPU, made if it is missing.

  Raises:
    OSError: it cannot be written, or others can write it.
  """
  folder = root() / hashlib.sha256(_cpu().encode()).hexdigest()[:16]
  folder.mkdir(mode=0o700, parents=True, exist_ok=True)
  for part in (folder, folder.parent, folder.parent.parent):
    found = part.stat()
    if found.st_uid != os.getuid() or found.st_mode & (
        stat.S_IWGRP | stat.S_IWOTH
    ):
      raise PermissionError(f'others than you may write {part}')
  with tempfile.TemporaryFile(dir=folder):
    return folder


def bytes_kept() -> int:
  """Of all CPUs."""
  return sum(size for _, size, _ in _entries())


def keep() -> None:
  """Has JAX, which is not imported yet, read and write what is compiled.

  It does nothing where the user has set JAX's own variables. A folder that cannot
  be used is told once, on standard error, and so is what is damaged in it.
  """
  if own_switch() or 'jax' in sys.modules:
    return
  try:
    folder = usable_folder()
    _remove_oldest(LARGEST)
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
        _remove(entry)
    if not told:
      then = ('it is compiled again' if action == 'reading' else
              'the next start compiles it again')
      _note(f'a compiled program in {folder} failed in {action} ({why}); {then}')
      told.append(name)

  warnings.showwarning = showwarning
  warnings.filterwarnings(
      'always', 'Error (reading|writing) persistent compilation cache'
  )


def _entries() -> list[tuple[float, int, pathlib.Path]]:
  """(when it was last used, bytes, path) of each file, the oldest first."""
  found = []
  for path in root().rglob('*'):
    try:
      status = path.lstat()
    except OSError:  # another process has just removed it
      continue
    if stat.S_ISREG(status.st_mode):
      last = max(status.st_atime, status.st_mtime)
      found.append((last, status.st_size, path))
  return sorted(found)


def _remove_oldest(largest: int) -> None:
  """Until no more than so many bytes are left."""
  entries = _entries()
  total = sum(size for _, size, _ in entries)
  for _, size, path in entries:
    if total <= largest:
      return
    _remove(path)
    total -= size


def _remove(path: pathlib.Path) -> None:
  try:
    path.unlink()
  except OSError:  # another process was first, or it may not be removed
    pass


def _cpu() -> str:
  """What a compiler knows of this machine's CPU."""
  known = [platform.machine()]
  try:
    if sys.platform == 'darwin':
      known.append(subprocess.run(
          ['/usr/sbin/sysctl', '-n', 'machdep.cpu.brand_string'],
          capture_output=True, text=True, check=False).stdout)
    else:
      lines = pathlib.Path('/proc/cpuinfo').read_text('utf-8').splitlines()
      known += sorted({line for line in lines if _KIND.match(line)})
  except OSError:
    known.append(platform.node())
  return '\n'.join(known)


def _note(text: str) -> None:
  print(f'note: {errors.one_line(text)}', file=sys.stderr)

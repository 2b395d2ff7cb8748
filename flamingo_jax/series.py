# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one after the other, each in a folder that knows what it is made from."""

from collections.abc import Callable, Sequence
import contextlib
import json
import subprocess
import sys

from etils import epath

import flamingo_jax
from flamingo_jax.data.storage import write_atomically, writing
from flamingo_jax.errors import UserError

# Calls `flamingo` with arguments; raises UserError if it fails.
Flamingo = Callable[[Sequence[str]], None]


def call_flamingo(arguments: Sequence[str]) -> None:
  """Runs the program in a process of its own, as gin's state is global."""
  done = subprocess.run(
      [sys.executable, '-P', '-m', 'flamingo_jax.cli', *arguments], check=False
  )
  if done.returncode:
    raise UserError(
        f'flamingo {" ".join(arguments)} ended with status {done.returncode}: '
        'once you have removed the cause, the same command resumes'
    )


def check_made_from(folder: epath.Path, flags: Sequence[str]) -> None:
  """Writes what a run is made from, all that a finished one is known by.

  Raises:
    UserError: the folder holds a run of something else.
  """
  path = folder / 'made_from.json'
  made_from = [f'flamingo_jax=={flamingo_jax.__version__}', *flags]
  if not any(folder.glob('checkpoint_*')):
    with writing(folder):
      folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(made_from, indent=1) + '\n')
    return
  before = []
  with contextlib.suppress(FileNotFoundError, ValueError):
    before = json.loads(path.read_text(encoding='utf-8'))
  if before != made_from:
    differ = set(map(str, before)) ^ set(made_from)
    raise UserError(
        f'{folder} holds another run, which differs in '
        f'{", ".join(sorted(differ))}: remove it, or name another --out'
    )

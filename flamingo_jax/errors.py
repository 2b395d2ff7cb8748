# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception that users are meant to read."""

from collections.abc import Callable
import io
import sys


class UserError(ValueError):
  """Bad input, told in one sentence: the file, line or value, and the remedy.

  Programs print it as `error: ...` without a traceback and exit with code 2.
  """


def print_any_name() -> None:
  """Lets print write names of files that are no text, as '\\udcff'."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors='backslashreplace')


def status_of(program: Callable[[], int | None]) -> int:
  """Runs a program; a UserError is told, and the status is 2."""
  try:
    return program() or 0
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2

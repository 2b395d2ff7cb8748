# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The one exception that users are meant to read."""

import argparse
from collections.abc import Callable, Iterator
import io
import re
import reprlib
import sys
from typing import Any

_LONGEST = 1000  # characters of a message
_VALUE = 60  # characters of a value in it
# What ends a line, moves the cursor or turns the direction of a text, and
# halves of characters, which cannot be written.
_UNPRINTABLE = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)


def one_line(message: str, longest: int = _LONGEST) -> str:
  """A message of one line: its beginning and its end, if it is longer."""
  if len(message) > 2 * longest:  # not all of what is megabytes is escaped
    message = f'{message[:longest]} {message[-longest:]}'
  message = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], message)
  if len(message) <= longest:
    return message
  begin = (longest - 5) * 2 // 3
  return f'{message[:begin]} ... {message[begin + 5 - longest:]}'


class _Writer(reprlib.Repr):

  def repr_int(self, x: int, level: int) -> str:
    if x.bit_length() < 8 * self.maxlong:
      return super().repr_int(x, level)
    return f'<a number of {x.bit_length()} bits>'  # Python refuses to write it


def shown(value: Any, longest: int = _VALUE) -> str:
  """A value as Python writes it, however long it is and deep it nests."""
  writer = _Writer()
  writer.maxstring = writer.maxlong = writer.maxother = longest
  writer.maxlevel = 3
  text = writer.repr(value)
  return text if len(text) <= longest else f'{text[:longest - 3]}...'


class UserError(ValueError):
  """Bad input, told in one sentence: the file, line or value, and the remedy.

  Programs print it as `error: ...` without a traceback and exit with code 2.
  It is one line of bounded length, whatever the input was.
  """

  def __init__(self, message: str):
    super().__init__(one_line(message))


def chain(error: BaseException | None) -> Iterator[BaseException]:
  """An error, what it was raised from and so on: each once, though one that is
  raised again may be its own cause's cause.
  """
  seen = set()
  while error is not None and id(error) not in seen:
    seen.add(id(error))
    yield error
    error = error.__cause__ or error.__context__


def print_any_name() -> None:
  """Lets print write names of files that are no text, as '\\udcff'."""
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      stream.reconfigure(errors='backslashreplace')


class Parser(argparse.ArgumentParser):
  """Tells wrong arguments in one line, however long they are."""

  examples: tuple[str, ...] = ()  # command lines of its help

  def error(self, message):
    """Prints usage and message, and exits with 2."""
    super().error(one_line(message))


def tell(message: str) -> int:
  """Prints why a program ends; returns its exit status."""
  print(f'error: {one_line(message)}', file=sys.stderr)
  return 2


def status_of(program: Callable[[], int | None]) -> int:
  """Runs a program; a UserError is told, and the status is 2."""
  try:
    return program() or 0
  except UserError as error:
    return tell(str(error))

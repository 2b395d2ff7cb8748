# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How a program ends whose output nobody reads any more, as in `| head`."""

from collections.abc import Callable
import os
import select
import signal
import sys


def quietly(program: Callable[[], int]) -> int:
  """Runs a program, and returns its exit status.

  That is 141, which shells report of a broken pipe, if standard output or error
  was closed at the other end. Any other broken pipe is raised.
  """
  try:
    try:
      return program()
    finally:
      sys.stdout.flush()
  except BrokenPipeError:
    unread = [descriptor for descriptor in (1, 2) if _is_unread(descriptor)]
    if not unread:
      raise
    # Python's own flush at exit shall not find out again.
    with open(os.devnull, 'w', encoding='utf-8') as nothing:
      for descriptor in unread:
        os.dup2(nothing.fileno(), descriptor)
    return 128 + signal.SIGPIPE


def _is_unread(descriptor: int) -> bool:
  poll = select.poll()
  poll.register(descriptor, 0)
  return any(
      event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)
  )

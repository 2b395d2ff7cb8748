# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and Ctrl-C: finish the step, save, leave; or leave at once."""

from collections.abc import Iterator
import contextlib
import os
import signal
import types


class StopRequest:
  """Whether a signal has asked the run to stop, and which."""

  def __init__(self):
    """Nothing has been asked yet."""
    self.number = 0

  @property
  def signal_name(self) -> str | None:
    """The signal's, once asked."""
    return signal.Signals(self.number).name if self.number else None

  def __bool__(self) -> bool:
    """True once asked."""
    return self.number != 0

  def _receive(self, number: int, frame: types.FrameType | None) -> None:
    del frame
    self.number = number
    # The second one kills, in case the step never ends.
    signal.signal(number, signal.SIG_DFL)


def exit_on_signals() -> None:
  """Until `stop_on_signals` takes over, signals end the program in one line.

  A program calls it first: what it imports takes seconds.
  """
  for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, _exit)


def at_rest(name: str) -> str:
  """What a run says that the named signal stops while no step is made."""
  return (
      f'{name}: stopped while no step was under way; nothing is half written, '
      'and the same command resumes from here'
  )


def exit_status(name: str) -> int:
  """What shells report of a program that the named signal ended."""
  return 128 + signal.Signals[name]


def _exit(number: int, frame: types.FrameType | None) -> None:
  del frame
  name = signal.Signals(number).name
  # Whatever is being imported may be in no state to be taken down.
  os.write(2, f'{at_rest(name)}\n'.encode())
  os._exit(exit_status(name))


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
  """Turns SIGTERM and SIGINT into a flag while the block runs."""
  request = StopRequest()
  before = {
      number: signal.signal(number, request._receive)
      for number in (signal.SIGTERM, signal.SIGINT)
  }
  try:
    yield request
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and Ctrl-C: finish the step, save, leave."""

from collections.abc import Iterator
import contextlib
import signal
import types


class StopRequest:
  """Whether a signal has asked the run to stop, and which."""

  def __init__(self):
    """Nothing has been asked yet."""
    self.signal_name: str | None = None

  def __bool__(self) -> bool:
    """True once asked."""
    return self.signal_name is not None

  def _receive(self, number: int, frame: types.FrameType | None) -> None:
    del frame
    self.signal_name = signal.Signals(number).name
    # The second one kills, in case the step never ends.
    signal.signal(number, signal.SIG_DFL)


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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How many prompts may be read while answers are being written."""

import time

# Seconds that answers may wait for prompts, whatever their tokens take. With more,
# others wait longer; with less, fewer answers are written side by side.
_READING = 0.5


class Pace:
  """Measures reading and writing, of which the device does one after the other.

  Prompts that are read between two calls for more tokens may take half a second, or
  as long as the tokens of one call: answers then come half as fast as by
  themselves. One prompt is always read, however long it takes.
  """

  def __init__(self):
    """Nothing has been measured."""
    self._since, self._reading, self._writing = time.monotonic(), 0.0, 0.0

  def begin(self) -> None:
    """The device has nothing to do, and gets something now."""
    self._since = time.monotonic()

  def note_read(self, prompts: int) -> None:
    """It has read so many prompts, and has nothing else to do."""
    if prompts:
      self._reading = (time.monotonic() - self._since) / prompts
    self.begin()

  def note_written(self) -> None:
    """It has written the tokens of a call; what it was given behind them goes on."""
    self._writing = time.monotonic() - self._since
    self.begin()

  @property
  def most(self) -> int:
    """Prompts that are read before answers go on, by what the last ones took."""
    seconds = max(self._writing, _READING)
    return max(1, int(seconds / max(self._reading, 1e-6)))

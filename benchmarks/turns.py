# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A program of another Python that a benchmark takes turns with.

It may have what flamingo_jax never imports, such as torch. What is asked and what
is answered are lines of JSON; the first answer comes unasked, when it is ready.
"""

from collections.abc import Callable, Sequence
import json
import subprocess
import time
from typing import Any


class OtherSide:
  """The program in a process of its own, which waits between its turns."""

  def __init__(self, command: Sequence[str]):
    """Starts it; `told` is its first answer."""
    self._process = subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    self.told = self._answer()

  def __call__(self, asked: Any) -> Any:
    """What it answers."""
    self._process.stdin.write(json.dumps(asked) + '\n')
    self._process.stdin.flush()
    return self._answer()

  def close(self) -> None:
    """Ends the process."""
    self._process.stdin.close()
    self._process.wait()

  def _answer(self) -> Any:
    line = self._process.stdout.readline()
    if not line:
      raise RuntimeError(
          f'{self._process.args[0]} ended with status {self._process.wait()}; '
          'what it said stands above'
      )
    return json.loads(line)


def timed(function: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
  """((seconds, those of processors), result) of a call that waits for it."""
  start, spent = time.perf_counter(), time.process_time()
  result = function()
  seconds = time.perf_counter() - start, time.process_time() - spent
  return seconds, result

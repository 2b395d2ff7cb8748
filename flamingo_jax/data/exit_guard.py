# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Brings Python code that runs in tf.data's threads to rest before Python ends.

A thread that asks for the interpreter while it is being taken down waits for
ever, and TensorFlow waits for its threads: a program that ends while batches
are read ahead would hang. So at exit new calls are refused, and the buffers
fill with errors that nobody reads.
"""

import atexit
from collections.abc import Callable
import threading
import time
from typing import Any

_QUIET = 0.2  # seconds without a call: every buffer is full


class ExitGuard:
  """Counts the calls that are under way, and can refuse new ones."""

  def __init__(self):
    self._lock = threading.Lock()
    self._active = 0
    self._refuses = False
    self._last = -_QUIET  # when a call last began or ended

  def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, counted, and refused after `close`."""

    def guarded(*args):
      with self._lock:
        self._last = time.monotonic()
        if self._refuses:
          raise RuntimeError('the program ends')
        self._active += 1
      try:
        return function(*args)
      finally:
        with self._lock:
          self._last = time.monotonic()
          self._active -= 1

    return guarded

  def close(self) -> None:
    """Refuses calls from now on and returns when nothing calls any more."""
    with self._lock:
      self._refuses = True
    while self._active or time.monotonic() - self._last < _QUIET:
      time.sleep(_QUIET / 4)


READS = ExitGuard()
atexit.register(READS.close)

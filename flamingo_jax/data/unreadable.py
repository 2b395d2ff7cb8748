# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents that cannot be read: counted, told, and others take their place."""

from collections.abc import Callable, Mapping
import threading

from absl import logging
import numpy as np

from flamingo_jax.errors import UserError

# So many on end are no accident: a folder has moved, or a disk is gone.
_MOST = 16


class Unreadable:
  """Those of one task that this process met, in all its threads.

  Attributes:
    count: how often one was met; in each epoch again.
  """

  def __init__(self, task: str):
    """Args: task, its name, for messages."""
    self.count = 0
    self._task = task
    self._lock = threading.Lock()

  def make(
      self, make: Callable[[int], Mapping[str, np.ndarray]]
  ) -> Mapping[str, np.ndarray]:
    """An example, or another that can be read.

    `make` gives that of an attempt, 0 for the example itself; the same on any
    number of hosts and after a resume.

    Raises:
      UserError: a disk is gone, or something else that leaves nothing to read.
    """
    for attempt in range(_MOST):
      try:
        return make(attempt)
      except UserError as error:
        last = error
        self._note(error)
    raise UserError(
        f'task {self._task!r}: {_MOST} documents in a row cannot be read, the '
        f'last: {last}'
    )

  def _note(self, error: UserError) -> None:
    with self._lock:
      self.count += 1
      count = self.count
    if count & (count - 1) == 0:  # 1, 2, 4, 8 ...: of a million, twenty lines
      logging.warning(
          '%s; another document of %r takes its place (so far %d times)',
          error, self._task, count,
      )

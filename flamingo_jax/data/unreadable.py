# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents that cannot be read: counted, told, and others take their place."""

from collections.abc import Callable, Mapping
import math
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
      self,
      place: int,
      places: int,
      make: Callable[[int, int], Mapping[str, np.ndarray]],
  ) -> Mapping[str, np.ndarray]:
    """The example of a place, or of one far from it that can be read.

    Which one depends on the numbers alone, so it is the same on any number of
    hosts and after a resume.

    Args:
      place: of the example in its epoch.
      places: how many an epoch has.
      make: from a place and the number of the attempt to an example.

    Raises:
      UserError: a disk is gone, or something else that leaves nothing to read.
    """
    stride = 1 + places * 3 // 8  # far away, or a batch may show one twice
    while math.gcd(stride, places) > 1:  # or some places would never be tried
      stride += 1
    for attempt in range(_MOST):
      try:
        return make((place + attempt * stride) % places, attempt)
      except UserError as error:
        last = error
        self._note(error)
    raise UserError(
        f'task {self._task!r}: {_MOST} documents on end cannot be read, the '
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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A folder that a job of several processes writes is that of one job at a time."""

from collections.abc import Iterator
import contextlib
import os

import jax
from jax.experimental import multihost_utils
import numpy as np

from flamingo_jax.data.owner import LOCK, owned
from flamingo_jax.errors import UserError


@contextlib.contextmanager
def owned_by_job(
    folder: str | os.PathLike, lock: str = LOCK
) -> Iterator[None]:
  """`owned`, for all processes of a job together: the first one has the lock.

  Raises:
    UserError: in all of them, if the folder is not to be had.
  """
  with contextlib.ExitStack() as stack:
    refusal = None
    if jax.process_index() == 0:
      try:
        stack.enter_context(owned(folder, lock))
      except UserError as error:
        refusal = error
    if multihost_utils.broadcast_one_to_all(np.bool_(refusal is not None)):
      raise refusal or UserError(
          f'process 0 of this job was refused {os.fspath(folder)}'
      )
    yield

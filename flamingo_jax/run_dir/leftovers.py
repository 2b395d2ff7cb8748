# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Clearing up behind saves that failed."""

import contextlib
import time

from etils import epath


def remove_leftovers(directory: epath.Path, name: str) -> None:
  """Removes folders of saves that failed, some of which may be gone by now.

  Where one array could not be written, threads that write others go on for a
  moment, and make files in a folder that is being removed or make it anew.
  """
  for _ in range(100):  # 10 s at most: what is left after that is only clutter
    leftovers = list(directory.glob(f'{name}.orbax-checkpoint-tmp*'))
    if not leftovers:
      return
    for path in leftovers:
      with contextlib.suppress(OSError):
        path.rmtree(missing_ok=True)
    time.sleep(0.1)

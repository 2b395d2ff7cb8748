# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints a run has."""

import os

import orbax.checkpoint as ocp

from flamingo_jax.data.buckets import as_folder


def saved_steps(model_dir: str | os.PathLike) -> list[int]:
  """The steps of a run's finished checkpoints, in order; none without a folder."""
  found = {
      path.name.removeprefix('checkpoint_'): path
      for path in as_folder(model_dir).glob('checkpoint_*')
  }
  return sorted(
      int(number) for number, path in found.items()
      # gs:// has no renaming: a folder may be there before it is whole.
      if number.isdecimal() and ocp.utils.is_checkpoint_finalized(path)
  )

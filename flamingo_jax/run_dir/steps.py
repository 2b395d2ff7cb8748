# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints a run has."""

import os

from etils import epath
import orbax.checkpoint as ocp

from flamingo_jax import option_values
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.errors import UserError, shown
from flamingo_jax.run_dir.best import BEST, best_step


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


def find_step(
    model_dir: str | os.PathLike, step: option_values.AnyNumber = None
) -> int:
  """One of a run's checkpoints: that of `step`, or the newest.

  Args:
    model_dir: the run's folder.
    step: None: the newest; 'best': the one that knows validation data best.

  Raises:
    UserError: there is none, or not that one.
  """
  model_dir = as_folder(model_dir)
  steps = saved_steps(model_dir)
  if not steps:
    raise UserError(
        f'no checkpoint in {model_dir}: give the MODEL_DIR of a run that has '
        'saved one'
    )
  if step == BEST:
    step = best_step(model_dir, steps)
    if step is None:
      raise UserError(
          f'{model_dir} had no validation data to tell which step is best: train '
          'with --validation=FILE.jsonl, or name a step'
      )
  step = steps[-1] if step is None else option_values.whole_number(
      'step', step, 0
  )
  if step not in steps:
    raise UserError(
        f'no checkpoint of step {shown(step)} in {model_dir}: there are '
        f'{", ".join(map(str, steps))}'
    )
  return step


def find_checkpoint(path: str | os.PathLike) -> tuple[epath.Path, int]:
  """(MODEL_DIR, step) of a run's newest checkpoint, or of the one named.

  Args:
    path: MODEL_DIR, MODEL_DIR/checkpoint_<step> or MODEL_DIR/checkpoint_best.

  Raises:
    UserError: it is not there.
  """
  folder, step = split_path(path)
  return folder, find_step(folder, step)


def split_path(
    path: str | os.PathLike,
) -> tuple[epath.Path, int | str | None]:
  """(MODEL_DIR, step) of MODEL_DIR/checkpoint_<step>; no step of MODEL_DIR."""
  path = as_folder(path)
  _, is_step, step = path.name.rpartition('checkpoint_')
  if is_step and step == BEST:
    return path.parent, BEST
  if is_step and step.isdecimal():
    return path.parent, int(step)
  return path, None


def checkpoint_folder(model_dir: str | os.PathLike, step: int) -> epath.Path:
  """Where a step's checkpoint is, or will be."""
  return as_folder(model_dir) / f'checkpoint_{step}'

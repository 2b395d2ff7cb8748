# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's weights, to answer with."""

import os
from typing import Any

from etils import epath
import jax

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.differences import check_same_tree
from flamingo_jax.run_dir.steps import checkpoint_folder, find_step
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Tree


def restore_params(
    model: TrainedModel,
    partitioner: Partitioner,
    model_dir: str | os.PathLike,
    step: int,
) -> dict[str, Any]:
  """The whole model's parameters, each read to where the partitioner puts it.

  They have the dtypes that they were saved with.

  Args:
    model: whose parameters they are.
    partitioner: splits them.
    model_dir: the folder of a training run.
    step: of a checkpoint there.

  Raises:
    UserError: another model's checkpoint; says what differs.
  """
  model_dir = as_folder(model_dir)
  params, frozen_params = abstract_params(model, partitioner)
  state = checkpoint_folder(model_dir, step) / 'state'
  stored = checkpoint.read_metadata(state)['params']
  params = _read(state, params, stored, 'params')
  if frozen_params:
    frozen = model_dir / 'frozen'
    frozen_params = _read(
        frozen, frozen_params, checkpoint.read_metadata(frozen)
    )
  return merge_params(params, frozen_params)


def _read(
    path: epath.Path, wanted: Tree, stored: Tree, item: str | None = None
) -> dict[str, Any]:
  """The wanted tree, of an item of what is saved or of all of it."""
  check_same_tree(wanted, stored, os.fspath(path))
  wanted = jax.tree.map(
      lambda leaf, saved: jax.ShapeDtypeStruct(
          leaf.shape, saved.dtype, sharding=leaf.sharding
      ), wanted, stored,
  )
  target = {item: wanted} if item else wanted
  found = checkpoint.read_tree(path, target)
  return found[item] if item else found


def load_params(
    model_dir: str | os.PathLike, step: int | None = None
) -> tuple[dict[str, Any], int]:
  """The whole model's parameters as numpy arrays, for inference.

  Args:
    model_dir: the folder of a training run.
    step: a checkpoint's number; None is the newest.

  Returns:
    (trainable and frozen parameters in one tree, the step).

  Raises:
    UserError: no checkpoint there, or not that one.
  """
  model_dir = as_folder(model_dir)
  step = find_step(model_dir, step)
  state = checkpoint_folder(model_dir, step) / 'state'
  target = {'params': checkpoint.read_metadata(state)['params']}
  params = checkpoint.read_tree(state, target, as_numpy=True)['params']
  frozen, frozen_params = model_dir / 'frozen', {}
  if frozen.exists():
    target = checkpoint.read_metadata(frozen)
    frozen_params = checkpoint.read_tree(frozen, target, as_numpy=True)
  return merge_params(params, frozen_params), step

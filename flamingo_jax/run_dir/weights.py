# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint's weights, to answer with."""

from collections.abc import Callable
import os
from typing import Any

from flax import traverse_util
import jax

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.differences import check_same_tree
from flamingo_jax.run_dir.steps import checkpoint_folder, find_step
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import answering_dtype, merge_params
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Tree


def restore_params(
    model: TrainedModel,
    partitioner: Partitioner,
    model_dir: str | os.PathLike,
    step: int,
) -> dict[str, Any]:
  """The whole model's parameters, each read to where the partitioner puts it.

  They have the dtypes that they were saved with, but for `answering_dtype`.

  Args:
    model: whose parameters they are.
    partitioner: splits them.
    model_dir: the folder of a training run.
    step: of a checkpoint there.

  Raises:
    UserError: another model's checkpoint; says what differs.
  """
  wanted = merge_params(*abstract_params(model, partitioner))
  return read_params(
      model_dir, step, wanted,
      lambda path, stored: answering_dtype(path, stored, model.config.dtype),
  )


def read_params(
    model_dir: str | os.PathLike,
    step: int,
    wanted: Tree,
    dtype_of: Callable[[tuple[str, ...], Any], Any] | None = None,
) -> dict[str, Any]:
  """The whole model's parameters, whichever of them that run had frozen.

  Args:
    model_dir: the folder of a training run.
    step: of a checkpoint there.
    wanted: the whole tree's shapes, shardings and dtypes to read it as.
    dtype_of: gives another dtype, of a path and of what was saved there.

  Raises:
    UserError: another model's checkpoint; says what differs.
  """
  model_dir = as_folder(model_dir)
  folder = checkpoint_folder(model_dir, step)
  flatten, unflatten = traverse_util.flatten_dict, traverse_util.unflatten_dict
  trained = flatten(checkpoint.read_metadata(folder / 'state')['params'])
  frozen = {}
  if (model_dir / 'frozen').exists() or flatten(wanted).keys() - trained:
    frozen = flatten(checkpoint.read_metadata(model_dir / 'frozen'))
  check_same_tree(wanted, unflatten(trained | frozen), f'{folder}')
  wanted = flatten(wanted)

  def target(stored):
    return unflatten({
        name: jax.ShapeDtypeStruct(
            wanted[name].shape,
            dtype_of(name, saved.dtype) if dtype_of else wanted[name].dtype,
            sharding=wanted[name].sharding,
        ) for name, saved in stored.items()
    })

  found = flatten(checkpoint.read_tree(
      folder / 'state', {'params': target(trained)}
  )['params'])
  if frozen:
    found |= flatten(checkpoint.read_tree(
        model_dir / 'frozen', target(frozen)
    ))
  return unflatten(found)


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

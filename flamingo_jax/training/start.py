# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How a run begins: it continues, starts from another run, or from scratch."""

from typing import Any

from flamingo_jax.data.pipeline import DatasetConfig
from flamingo_jax.errors import UserError
from flamingo_jax.training import checkpoint, model_dir as model_dir_lib
from flamingo_jax.training.model import FlamingoModel
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    TrainState,
    abstract_state,
    init_state,
)
from flamingo_jax.typing import Tree


def start(
    model: FlamingoModel,
    partitioner: Partitioner,
    checkpoints: checkpoint.Checkpoints,
    initial_path: str | tuple[()],
    model_dir: str,
    seed: int,
    iterator: checkpoint.DataIterator | None,
    dataset_cfg: DatasetConfig,
) -> tuple[TrainState, Tree, dict[str, Any]]:
  """The state a run begins with.

  Args:
    model: what is trained.
    partitioner: says where every leaf goes.
    checkpoints: those of `model_dir`.
    initial_path: another run's folder, used when `model_dir` has no
      checkpoint; empty for random weights.
    model_dir: the run's folder. A new run writes the frozen weights, model.json
      and the vocabulary there before its first step.
    seed: of random weights.
    iterator: the training data's, moved to where the checkpoint left it.
    dataset_cfg: the training data's, for model.json.

  Returns:
    (state, frozen_params, progress); progress is {} for a new run.

  Raises:
    UserError: the checkpoint is of another architecture or vocabulary.
  """
  if (step := checkpoints.latest_step()) is not None:
    model_dir_lib.check_model_json(model_dir, model.config, model.vocabulary)
    abstract, abstract_frozen = abstract_state(model, partitioner)
    frozen_params = checkpoint.restore_frozen(model_dir, abstract_frozen)
    state, progress = checkpoints.restore(step, abstract, iterator)
    return state, frozen_params, progress
  if initial_path:
    state, frozen_params = _from_other_run(model, partitioner, initial_path)
  else:
    state, frozen_params = init_state(model, partitioner, seed)
  lengths = dataset_cfg.task_feature_lengths.values()
  checkpoint.save_frozen(model_dir, frozen_params)
  model_dir_lib.write_model_json(
      model_dir,
      model.config,
      model.vocabulary,
      max_media=max(task['media'] for task in lengths),
      frames=max(task.get('frames', 1) for task in lengths),
  )
  return state, frozen_params, {}


def _from_other_run(
    model: FlamingoModel, partitioner: Partitioner, path: str
) -> tuple[TrainState, Tree]:
  """Everything but the place in the data, as t5x does it: step included."""
  model_dir_lib.check_model_json(path, model.config, model.vocabulary)
  abstract, abstract_frozen = abstract_state(model, partitioner)
  frozen_params = checkpoint.restore_frozen(path, abstract_frozen)
  other = checkpoint.Checkpoints(path)
  step = other.latest_step()
  if step is None:
    raise UserError(f'no checkpoint in {other.directory} to start from')
  state, _ = other.restore(step, abstract, None)
  other.close()
  return state, frozen_params

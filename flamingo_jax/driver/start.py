# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How a run begins: it continues, starts from another run, or from scratch."""

from typing import Any

import jax

from flamingo_jax.data import pipeline
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.seqio_scores import EvaluationDatasetConfig
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import model_json
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.steps import saved_steps
from flamingo_jax.training.train_step import (
    TrainState,
    Trainer,
    abstract_state,
)
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Tree


def verify_matching_vocabs(
    cfg: pipeline.DatasetConfig | EvaluationDatasetConfig,
    model: TrainedModel,
    model_dir: str,
    initial_path: str | tuple[()] = (),
) -> None:
  """Checks that data, model and checkpoints fit, before anything is made.

  Args:
    cfg: data that the model is about to see.
    model: what is trained.
    model_dir: the run's folder, which may hold checkpoints.
    initial_path: the folder of the run to start from; empty for none.

  Raises:
    UserError: another vocabulary or other pictures, or a checkpoint of another
      architecture.
  """
  pipeline.check_vocabulary(cfg.mixture_or_task_name, model.vocabulary)
  lengths = cfg.task_feature_lengths
  if isinstance(cfg, EvaluationDatasetConfig):  # that t5x checks here too
    lengths = {cfg.mixture_or_task_name: lengths}
  pipeline.check_pictures(lengths, model.picture_size)
  for folder in (model_dir, initial_path):
    if folder and saved_steps(folder):
      model_json.check_model_json(folder, model.config, model.vocabulary)


def start(
    trainer: Trainer,
    initializer: TrainStateInitializer,
    seed: int,
    model_dir: str,
    initial_path: str | tuple[()],
    iterator: checkpoint.DataIterator | None,
) -> tuple[TrainState, Tree, dict[str, Any]]:
  """The state a run begins with.

  Args:
    trainer: has the model and the partitioner.
    initializer: makes the state if there is no checkpoint to start from.
    seed: of random weights.
    model_dir: the run's folder. A new run writes the frozen weights there
      before its first step.
    initial_path: another run's folder, used when `model_dir` has no
      checkpoint; empty for a new start.
    iterator: the training data's, moved to where the checkpoint left it.

  Returns:
    (state, frozen_params, progress); progress is {} for a new run.

  Raises:
    UserError: the checkpoint is of another architecture.
  """
  if saved_steps(model_dir):
    return _from_run(trainer, model_dir, iterator)
  if initial_path:
    # Everything but the place in the data, as t5x does it: step included.
    state, frozen_params, _ = _from_run(trainer, initial_path, None)
  else:
    # t5x keeps the other half for its trainer.
    rng = jax.random.split(jax.random.PRNGKey(seed))[0]
    state, frozen_params = initializer.from_scratch(rng)
  checkpoint.save_frozen(model_dir, frozen_params)
  return state, frozen_params, {}


def _from_run(
    trainer: Trainer,
    path: str,
    iterator: checkpoint.DataIterator | None,
) -> tuple[TrainState, Tree, dict[str, Any]]:
  """The newest checkpoint of a run with the run's frozen weights."""
  steps = saved_steps(path)
  if not steps:
    raise UserError(
        f'{path} has no checkpoint to start from: give the MODEL_DIR of a run '
        'that has saved one'
    )
  abstract, abstract_frozen = abstract_state(trainer.model, trainer.partitioner)
  frozen_params = checkpoint.restore_frozen(path, abstract_frozen)
  state, progress = checkpoint.restore_step(
      path, steps[-1], abstract, iterator
  )
  return state, frozen_params, progress

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot scores of a model that is being trained."""

from collections.abc import Callable
import os

import seqio

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import evaluate
from flamingo_jax.evaluation.runner import Runner
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import FlamingoModel
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Tree


class FewShotEvaluator:
  """The scores that `evaluate` gives a checkpoint, without one.

  Examples stay in memory and programs are compiled once, for all evaluations of
  a run.
  """

  def __init__(
      self,
      model: TrainedModel,
      partitioner: Partitioner,
      dataset_cfg: evaluate.EvaluationDatasetConfig,
      inference_evaluator_cls: Callable[..., seqio.Evaluator],
      model_dir: str | os.PathLike,
  ):
    """Reads all examples.

    Args:
      model: that is trained.
      partitioner: splits its parameters, and batches.
      dataset_cfg: what to evaluate on.
      inference_evaluator_cls: seqio's Evaluator with its configuration bound.
      model_dir: loggers get its inference_eval/.

    Raises:
      UserError: a model that answers nothing, or tasks that don't fit it.
    """
    if not isinstance(model, FlamingoModel):
      raise UserError(
          f'infer_eval_dataset_cfg is for a Flamingo and this is a '
          f'{type(model).__name__}, which answers nothing: make it None'
      )
    evaluate.check_tasks(model, dataset_cfg)
    self._runner = Runner(model, partitioner, dataset_cfg.batch_size)
    self._evaluators = [
        evaluate.make_evaluator(
            task, dataset_cfg, inference_evaluator_cls, os.fspath(model_dir)
        )
        for task in evaluate.scored_tasks(dataset_cfg.mixture_or_task_name)
    ]

  def evaluate(
      self, step: int, params: Tree, frozen_params: Tree
  ) -> dict[str, float]:
    """eval/<task>/<metric>; nothing but on the first host."""
    self._runner.params = params, frozen_params
    scores = {}
    for evaluator in self._evaluators:
      scores |= evaluate.evaluate_task(evaluator, self._runner, step)
    self._runner.params = None  # the next update takes their memory
    return {
        f'eval/{task}/{metric}': value
        for task, values in scores.items() for metric, value in values.items()
    }

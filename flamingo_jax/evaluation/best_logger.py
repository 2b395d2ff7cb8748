# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses a run's best step by a metric of a task on held-out examples."""

import os

import seqio

from flamingo_jax import progress
from flamingo_jax.data import pipeline
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.best import note_score


class BestLogger(seqio.Logger):
  """Notes in MODEL_DIR/best.json how good each evaluated step is."""

  def __init__(
      self, output_dir: str | os.PathLike, metric: str, mixture: str
  ):
    """Checks that there is such a task.

    Args:
      output_dir: MODEL_DIR/inference_eval, which is seqio's.
      metric: '<task>/<metric>', or '<metric>' of the only task; '' chooses no
        step.
      mixture: what is evaluated.

    Raises:
      UserError: the mixture has no such task.
    """
    super().__init__(output_dir)
    self._metric = metric
    if not metric:
      return
    self._task, _, self._name = metric.rpartition('/')
    tasks = sorted(task.name for task in pipeline.mixture_tasks(mixture))
    if not self._task and len(tasks) == 1:
      (self._task,) = tasks
    if self._task not in tasks:
      raise UserError(
          f'BestLogger.metric is {metric!r} and has to be <task>/<metric>, where '
          f'the tasks that are evaluated are {", ".join(tasks)}'
      )

  def __call__(self, task_name, step, metrics, dataset, inferences, targets):
    if not self._metric or task_name != self._task:
      return
    if self._name not in metrics:
      raise UserError(
          f'BestLogger.metric is {self._metric!r}, and the metrics of '
          f'{self._task} are {", ".join(sorted(metrics))}'
      )
    score = float(metrics[self._name].value)
    model_dir = as_folder(self.output_dir).parent
    metric = f'{self._task}/{self._name}'
    best, highest = note_score(model_dir, metric, step, score)
    progress.say(
        f'step {step}: {metric} is {score:.4g}, '
        + ('the best so far' if best == step
           else f'where step {best} had {highest:.4g}')
    )

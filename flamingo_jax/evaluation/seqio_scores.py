# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on seqio's few-shot tasks: `evaluate`, and those during training.

`evaluate` has the keyword names of t5x's.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import json
import os
from typing import Any

from absl import logging
from etils import epath
import jax
import numpy as np
import seqio

from flamingo_jax import progress
from flamingo_jax.data import pipeline
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.storage import write_atomically, writing
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation.examples import ExampleInference, FeatureConverter
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.picture_size import Lengths
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.checkpoint import RestoreCheckpointConfig
from flamingo_jax.run_dir.job_owner import owned_by_job
from flamingo_jax.run_dir.model_json import check_model_json
from flamingo_jax.run_dir.steps import find_checkpoint
from flamingo_jax.run_dir.weights import restore_params
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel, TrainedModel
from flamingo_jax.typing import Tree

# seqio would warn of each task that needs less than the longest of its mixture.
logging.get_absl_logger().addFilter(
    lambda record: 'longer than necessary' not in record.getMessage()
)

Scores = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class EvaluationDatasetConfig:
  """What to evaluate on; the fields are those of t5x's DatasetConfig."""

  mixture_or_task_name: str
  # {'tokens': L, 'media': M, 'frames': T, 'fps': X, 'image_size': h,
  # 'targets': n}, of all tasks of a mixture; tasks have frames and fps of their
  # own if these two are left out.
  task_feature_lengths: Lengths
  split: str
  batch_size: int  # examples, over all hosts
  shuffle: bool = False  # read by t5x; evaluation has a fixed order
  seed: int | None = None  # read by t5x; shots have their task's seed
  use_cached: bool = False
  module: str | None = None
  # Whether examples stay in memory between passes; False reads media again for
  # each of seqio's three passes.
  use_memory_cache: bool = True
  # That are read of a video, in the place of those of task_feature_lengths.
  frames: AnyNumber = None
  fps: AnyNumber = None

  def __post_init__(self):
    asked = {'frames': self.frames, 'fps': self.fps}
    asked = {key: value for key, value in asked.items() if value is not None}
    Sampling(1, 1.0).override(**asked)  # is told before anything is read
    lengths = {**self.task_feature_lengths, **asked}
    object.__setattr__(self, 'task_feature_lengths', lengths)
    if self.batch_size < 1:
      raise UserError(f'batch_size is {self.batch_size} and must be at least 1')


class ScoresLogger(seqio.Logger):
  """Writes <task>-metrics.jsonl and, per example, <task>-outputs.jsonl."""

  def __call__(self, task_name, step, metrics, dataset, inferences, targets):
    folder = epath.Path(self.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    values = {name: float(value.value) for name, value in metrics.items()}
    file = folder / f'{task_name}-metrics.jsonl'
    with writing(file), file.open('a') as lines:
      lines.write(json.dumps({'step': step, **values}) + '\n')
    # 'output' is the prediction before a task's postprocessor, which is it.
    outputs = {k: v for k, v in inferences.items() if k != 'output'}
    rows = [
        target | dict(zip(outputs, _plain(row)))
        for target, *row in zip(targets or (), *outputs.values())
    ]
    write_atomically(
        folder / f'{task_name}-outputs.jsonl',
        ''.join(json.dumps(row) + '\n' for row in rows),
    )


def evaluate(
    *,
    model: FlamingoModel,
    dataset_cfg: EvaluationDatasetConfig,
    restore_checkpoint_cfg: RestoreCheckpointConfig,
    partitioner: Partitioner,
    output_dir: str,
    inference_evaluator_cls: Callable[..., seqio.Evaluator] = seqio.Evaluator,
    summarize_config_fn: Callable[..., None],
    use_orbax: bool = False,
) -> Scores:
  """Scores the newest checkpoint of a run on every task of a mixture.

  Args:
    model: whose checkpoint it is; needs no optimizer.
    dataset_cfg: what to evaluate on.
    restore_checkpoint_cfg: names the run's MODEL_DIR.
    partitioner: the mesh.
    output_dir: gets results.json, config.gin, in inference_eval/ what the
      evaluator's loggers write and, of tasks of several numbers of shots,
      shots.csv and shots.png.
    inference_evaluator_cls: seqio's Evaluator with its configuration bound.
      There is one for each task, so that the examples of one are in memory.
    summarize_config_fn: is given (model_dir, summary_writer, step).
    use_orbax: False, which makes t5x read the checkpoints of this package.

  Returns:
    {task: {metric: score}}, which is also printed.

  Raises:
    UserError: no checkpoint, or one that doesn't fit the model or the tasks; a
      prompt that doesn't fit; another program writes `output_dir`.
  """
  checkpoint.check_are_ours(use_orbax)
  path, step = check_parts(
      model, dataset_cfg, restore_checkpoint_cfg, partitioner
  )
  name = dataset_cfg.mixture_or_task_name
  inference, scores = None, {}
  with owned_by_job(output_dir):
    for task in progress.each(scored_tasks(name), 'evaluating', 'task(s)'):
      evaluator = make_evaluator(
          task, dataset_cfg, inference_evaluator_cls, output_dir
      )
      if inference is None:  # what can be wrong about prompts has been found
        summarize_config_fn(
            model_dir=output_dir, summary_writer=None, step=step
        )
        inference = ExampleInference(
            model, partitioner, dataset_cfg.batch_size,
            restore_params(model, partitioner, path, step),
        )
      scores |= evaluate_task(evaluator, inference, step)
    if jax.process_index() == 0:
      _report(scores, path, step, output_dir)
  return scores


class FewShotEvaluator:
  """The scores that `evaluate` gives a checkpoint, without one.

  Examples stay in memory and programs are compiled once, for all evaluations of
  a run.
  """

  def __init__(
      self,
      model: TrainedModel,
      partitioner: Partitioner,
      dataset_cfg: EvaluationDatasetConfig,
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
    check_tasks(model, dataset_cfg)
    self._inference = ExampleInference(
        model, partitioner, dataset_cfg.batch_size
    )
    self._evaluators = [
        make_evaluator(
            task, dataset_cfg, inference_evaluator_cls, os.fspath(model_dir)
        )
        for task in scored_tasks(dataset_cfg.mixture_or_task_name)
    ]

  def evaluate(
      self, step: int, params: Tree, frozen_params: Tree
  ) -> dict[str, float]:
    """eval/<task>/<metric>; nothing but on the first host."""
    self._inference.use(merge_params(params, frozen_params))
    scores = {}
    for evaluator in self._evaluators:
      scores |= evaluate_task(evaluator, self._inference, step)
    self._inference.use(None)  # the next update takes their memory
    return {
        f'eval/{task}/{metric}': value
        for task, values in scores.items() for metric, value in values.items()
    }


def scored_tasks(name: str) -> list[seqio.Task]:
  """The tasks of a mixture that have metrics.

  Raises:
    UserError: there are none.
  """
  tasks = [task for task in pipeline.mixture_tasks(name) if task.metric_fns]
  if not tasks:
    raise UserError(
        f'{name!r} has no metrics: name a task that was made for evaluation'
    )
  return tasks


def make_evaluator(
    task: seqio.Task,
    dataset_cfg: EvaluationDatasetConfig,
    inference_evaluator_cls: Callable[..., seqio.Evaluator],
    output_dir: str,
) -> seqio.Evaluator:
  """Reads a task's examples.

  Args:
    task: of a mixture.
    dataset_cfg: names the mixture.
    inference_evaluator_cls: as of `evaluate`.
    output_dir: loggers get its inference_eval/.

  Raises:
    UserError: a prompt that doesn't fit.
  """
  with pipeline.reading_errors():
    evaluator = inference_evaluator_cls(
        mixture_or_task_name=task.name,
        feature_converter=FeatureConverter(),
        eval_split=dataset_cfg.split,
        sequence_length=dataset_cfg.task_feature_lengths,
        use_memory_cache=dataset_cfg.use_memory_cache,
        log_dir=os.path.join(output_dir, 'inference_eval'),
    )
  if not evaluator.eval_tasks:  # seqio only logs it
    raise UserError(
        f'task {task.name!r} of {dataset_cfg.mixture_or_task_name!r} has no '
        f'split {dataset_cfg.split!r} any more: another task was registered '
        'under its name; rename one'
    )
  return evaluator


def evaluate_task(
    evaluator: seqio.Evaluator, inference: ExampleInference, step: int
) -> Scores:
  """{task: {metric: score}} of a step; empty but on the first host."""
  with pipeline.reading_errors():
    metrics, _ = evaluator.evaluate(
        compute_metrics=jax.process_index() == 0,
        step=step,
        predict_fn=inference.predict,
        predict_with_aux_fn=inference.predict_with_aux,
        score_fn=inference.score,
    )
  try:
    return metrics.result() or {}
  except ValueError as error:  # seqio's, raised from what the metric raised
    raised = error.__cause__ or error
  raise raised


def check_parts(
    model: FlamingoModel,
    dataset_cfg: EvaluationDatasetConfig,
    restore_checkpoint_cfg: RestoreCheckpointConfig,
    partitioner: Partitioner,
) -> tuple[str, int]:
  """(MODEL_DIR, step), before anything is read or written.

  Raises:
    UserError: an unknown task or split, no checkpoint, or parts that don't fit.
  """
  partitioner.get_data_layout(dataset_cfg.batch_size)
  check_tasks(model, dataset_cfg)
  path = restore_checkpoint_cfg.path
  if not path or not isinstance(path, (str, os.PathLike)):
    raise UserError(
        f'RestoreCheckpointConfig.path is {path!r}: give the MODEL_DIR of a '
        'training run'
    )
  model_dir, step = find_checkpoint(path)
  check_model_json(model_dir, model.config, model.vocabulary)
  return os.fspath(model_dir), step


def check_tasks(
    model: FlamingoModel, dataset_cfg: EvaluationDatasetConfig
) -> None:
  """Raises UserError on unknown tasks or splits, or what the model can't read."""
  name = dataset_cfg.mixture_or_task_name
  pipeline.check_vocabulary(name, model.vocabulary)
  pipeline.check_pictures(
      {name: dataset_cfg.task_feature_lengths}, model.picture_size
  )
  pipeline.check_split(name, dataset_cfg.split)


def _report(scores: Scores, path: str, step: int, output_dir: str) -> None:
  """A table over shots or a line per metric; all of it in a file."""
  rest = shots_table.report(scores, epath.Path(output_dir))
  for task, values in rest.items():
    for metric, value in values.items():
      print(f'{task}\t{metric}\t{value:.4f}')
  record = {'model_dir': path, 'step': step, 'scores': scores}
  file = epath.Path(output_dir) / 'results.json'
  write_atomically(file, json.dumps(record, indent=2) + '\n')
  print(f'all scores: {file}')


def _plain(values: Sequence[Any]) -> list[Any]:
  """Numbers and strings as JSON has them."""
  return [
      value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
      for value in values
  ]

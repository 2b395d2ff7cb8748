# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in driver: `train`, with the keyword names of t5x's."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import dataclasses
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np
import seqio

from flamingo_jax import option_values
from flamingo_jax.data import pipeline
from flamingo_jax.data.batches import Batches
from flamingo_jax.driver.interrupt import (
    StopRequest,
    at_rest,
    exit_status,
    stop_on_signals,
)
from flamingo_jax.driver.media_cache import MediaCache, open_cache
from flamingo_jax.driver.log import (
    MetricsLog,
    Stopwatch,
    Window,
    gate_values,
)
from flamingo_jax.driver.processes import SharedStop
from flamingo_jax.driver.progress import Progress
from flamingo_jax.driver.start import start
from flamingo_jax.driver.validation import Evaluator
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.seqio_scores import EvaluationDatasetConfig
from flamingo_jax.evaluation.seqio_scores import FewShotEvaluator
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.job_owner import owned_by_job
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import TrainState, Trainer
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Tree


@dataclasses.dataclass(frozen=True)
class Parts:
  """The parts of a run, made before anything is written."""

  trainer: Trainer  # compiles the steps; has the model and the partitioner
  # Makes the state of a run that begins from scratch.
  initializer: TrainStateInitializer
  random_seed: int  # of its random weights
  dataset_cfg: pipeline.DatasetConfig  # what is trained on
  batches: Batches  # this process's share of that, at its beginning
  # Of losses and of few-shot scores.
  evaluators: Sequence[Evaluator | FewShotEvaluator]
  # When to save, and what to start from.
  checkpoint_cfg: checkpoint.CheckpointConfig
  model_dir: str  # the run's folder
  total_steps: int  # updates after which training ends, counted from step 0
  stats_period: int  # updates between log lines; 0 is never
  eval_period: int  # updates between evaluations; 0 is never
  # Where features are kept, as for `media_cache.open_cache`.
  cache_media: bool | str
  # Is given (model_dir, TensorBoard writer, step).
  summarize_config: Callable[[str, Any, int], None]

  def __post_init__(self):
    option_values.whole_number('TRAIN_STEPS', self.total_steps, 1)
    for seed in filter(None, (self.random_seed, self.dataset_cfg.seed)):
      option_values.seed(seed, 'SEED')

  @property
  def saved_batches(self) -> Batches | None:
    """What checkpoints save the place of; None if they save none."""
    return self.batches if self.checkpoint_cfg.save.save_dataset else None

  def train(self, stop: StopRequest) -> tuple[int, TrainState]:
    """Begins or continues the run; see the function `train`."""
    with contextlib.ExitStack() as stack:
      opened = lambda x: stack.enter_context(contextlib.closing(x))
      save, restore = self.checkpoint_cfg.save, self.checkpoint_cfg.restore
      stack.enter_context(owned_by_job(self.model_dir))
      stack.enter_context(told_once())  # checkpoints are saved in the background
      checkpoints = opened(checkpoint.Checkpoints(self.model_dir, save.keep))
      state, frozen_params, sums = start(
          self.trainer, self.initializer, self.random_seed, self.model_dir,
          restore.path, self.saved_batches,
      )
      step = int(state.step)
      media_cache = stack.enter_context(open_cache(
          self.cache_media, self.model_dir, self.trainer.model, frozen_params,
          self.dataset_cfg,
      ))
      log = opened(MetricsLog(self.model_dir, step))
      self.summarize_config(self.model_dir, log.tensorboard, step)
      progress = opened(Progress(step, self.total_steps))
      loop = Loop(self, checkpoints, media_cache, log, progress, sums)
      step, state, stopping = loop.run(state, frozen_params, stop)
    if stopping:
      raise SystemExit(exit_status(stopping))
    return step, state


class Loop:
  """The steps of a run and what happens between them."""

  def __init__(
      self,
      parts: Parts,
      checkpoints: checkpoint.Checkpoints,
      media_cache: MediaCache | None,
      log: MetricsLog,
      progress: Progress,
      sums: Mapping[str, float],
  ):
    """Nothing is compiled or read yet.

    Args:
      parts: of the run.
      checkpoints: its own.
      media_cache: its features, if they are kept.
      log: gets a line at each period.
      progress: shows the steps.
      sums: behind the next log line, of the run that is continued.
    """
    self.window = Window(parts.trainer.loss_weights)
    self.window.restore(sums)
    self._parts = parts
    self._checkpoints = checkpoints
    self._media_cache = media_cache
    self._log = log
    self._progress = progress
    self._watch = Stopwatch()
    # (step, example ids, metrics on the device) of the newest step.
    self._unchecked: tuple[int, dict[str, np.ndarray], Mapping] | None = None

  def run(
      self,
      state: TrainState,
      frozen_params: Tree,
      stop: StopRequest,
  ) -> tuple[int, TrainState, str | None]:
    """Trains until the last step or until asked to stop, and saves there.

    Returns:
      The step and the state there, and the name of the signal if one stopped it
      before the last step.

    Raises:
      SystemExit: asked to stop before the first step; there is nothing to save.
    """
    trainer, total_steps = self._parts.trainer, self._parts.total_steps
    step = int(state.step)
    compiled = None
    stopping = None
    shared_stop = SharedStop(stop)
    if step >= total_steps:
      self._progress.say(
          f'step {step} of {total_steps} is done already: to continue, ask for '
          'more steps'
      )
    while step < total_steps and not stopping:
      if compiled is None:
        self._exit_if_asked(stop)
      with pipeline.reading_errors():
        batch = next(self._parts.batches)
      if self._media_cache:
        batch = self._media_cache(batch)
      on_device = trainer.partitioner.put_batch(batch)
      if compiled is None:
        compiled = trainer.compile_train(state, frozen_params, on_device)
        self._watch.read()  # compiling is not a step's time
        self._exit_if_asked(stop)
      self.window.add_seconds('data', self._watch.read())
      state, metrics = compiled(state, frozen_params, on_device)
      self._check()  # the step before this one, while this one runs
      step += 1
      self._unchecked = (step, _example_ids(batch), metrics)
      stopping = shared_stop.poll()
      self._between_steps(
          step, state, frozen_params, step == total_steps, bool(stopping)
      )
    if step >= total_steps:
      stopping = None
    if stopping:
      self._progress.say(
          f'{stopping}: stopped and saved at step {step}; the same '
          'command resumes from there'
      )
    return step, state, stopping

  def _exit_if_asked(self, stop: StopRequest) -> None:
    if stop and jax.process_count() == 1:  # others would wait for this one
      self._progress.say(at_rest(stop.signal_name))
      raise SystemExit(exit_status(stop.signal_name))

  def _between_steps(
      self,
      step: int,
      state: TrainState,
      frozen_params: Tree,
      last: bool,
      stopping: bool,
  ) -> None:
    """Logs, evaluates and saves what is due at `step`.

    A run that is stopped logs nothing for it, so that its log becomes that of
    a run that was left alone.
    """
    parts = self._parts
    eval_period = parts.eval_period if parts.evaluators else 0
    logging = any(_due(n, step) for n in (parts.stats_period, eval_period))
    save_period = parts.checkpoint_cfg.save.period or 0
    saving = last or stopping or _due(save_period, step)
    if logging or saving:
      self._check()
    self.window.add_seconds('step', self._watch.read())
    self._progress.step()
    if logging or last:
      # As in t5x, the last step is evaluated, whatever the period.
      evaluates = _due(eval_period, step) or (last and eval_period > 0)
      values = self._line(step, state, frozen_params, evaluates)
      self._log.write(step, values)
      self._progress.report(step, values)
    if logging:
      # A line that only the end of the run asks for leaves the sums alone: a
      # longer run begins no new ones here.
      self.window.clear()
    if saving:
      self._checkpoints.save(
          step, state, self.window.state(), parts.saved_batches
      )
    self._checkpoints.check()
    self._watch.read()

  def _line(
      self, step: int, state: TrainState, frozen_params: Tree, evaluates: bool
  ) -> dict[str, float]:
    """What is logged at `step`."""
    parts = self._parts
    values = self.window.summary()
    values['learning_rate'] = float(parts.trainer.learning_rate_fn(step))
    values |= gate_values(state.params)
    values |= parts.batches.unreadable()
    if evaluates:
      for evaluator in parts.evaluators:
        values |= evaluator.evaluate(step, state.params, frozen_params)
    return values

  def _check(self) -> None:
    """Waits for the newest step and adds it up; never skips a bad one.

    Raises:
      UserError: its loss or gradient is not finite; names the batch.
    """
    if self._unchecked is None:
      return
    step, example_ids, metrics = self._unchecked
    self._unchecked = None
    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
    bad = [k for k, v in values.items() if not np.isfinite(v)]
    if bad:
      saved = self._checkpoints.latest_step()
      # All processes see these metrics and stop; each knows its own rows.
      example_ids = {
          name: multihost_utils.process_allgather(ids, tiled=True).tolist()
          for name, ids in example_ids.items()
      }
      raise UserError(
          f'step {step} is not finite ({", ".join(sorted(bad))}) and training '
          f'stopped; its examples are {example_ids}; the newest checkpoint is '
          f'that of step {saved}, nothing after it was saved'
      )
    self.window.add(values)


def _due(period: int, step: int) -> bool:
  return period > 0 and step % period == 0


def _example_ids(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """{dataset: ids}, to find the examples of a batch in their source."""
  return {
      key.removesuffix('/example_id'): ids.ravel()
      for key, ids in sorted(batch.items())
      if key.endswith('/example_id')
  }


def _make_evaluators(
    trainer: Trainer,
    datasets: Mapping[str, Any] | None,
    infer_eval_dataset_cfg: EvaluationDatasetConfig | None,
    inference_evaluator_cls: Callable[..., seqio.Evaluator],
    model_dir: str,
) -> list[Evaluator | FewShotEvaluator]:
  """Of losses, and of few-shot scores, if they are asked for."""
  evaluators = [Evaluator(trainer, datasets)] if datasets else []
  if infer_eval_dataset_cfg:
    evaluators.append(FewShotEvaluator(
        trainer.model, trainer.partitioner, infer_eval_dataset_cfg,
        inference_evaluator_cls, model_dir,
    ))
  return evaluators


def train(
    *,
    model: TrainedModel,
    train_dataset_cfg: pipeline.DatasetConfig,
    train_eval_dataset_cfg: pipeline.DatasetConfig | None,
    infer_eval_dataset_cfg: EvaluationDatasetConfig | None,
    checkpoint_cfg: checkpoint.CheckpointConfig,
    partitioner: Partitioner,
    trainer_cls: Callable[..., Trainer],
    model_dir: str,
    total_steps: int,
    eval_steps: int,
    eval_period: int,
    stats_period: int | None = None,
    random_seed: int,
    summarize_config_fn: Callable[[str, Any, int], None],
    get_dataset_fn: Callable[..., Batches],
    train_eval_get_dataset_fn: Callable[..., Mapping[str, Any]],
    train_state_initializer_cls: Callable[..., TrainStateInitializer],
    verify_matching_vocabs_fn: Callable[..., None],
    inference_evaluator_cls: Callable[..., seqio.Evaluator] = seqio.Evaluator,
    use_orbax: bool = False,
    cache_media: bool | str = False,
) -> tuple[int, TrainState]:
  """Trains, from the newest checkpoint if any; (step, state) where it ended.

  Args:
    model: what is trained.
    train_dataset_cfg: what it is trained on.
    train_eval_dataset_cfg: datasets to compute the loss of, or None.
    infer_eval_dataset_cfg: few-shot tasks to compute the scores of, or None.
    checkpoint_cfg: when to save, and what to start from.
    partitioner: says where arrays go, and which rows this process reads.
    trainer_cls: `Trainer` with its configuration bound.
    model_dir: the run's folder; all that a run writes is in it.
    total_steps: updates after which training ends, counted from step 0.
    eval_steps: batches per dataset and evaluation.
    eval_period: updates between evaluations.
    stats_period: updates between log lines; None is `eval_period`.
    random_seed: of the initial weights; the data has its own.
    summarize_config_fn: is given (model_dir, TensorBoard writer, step).
    get_dataset_fn: makes the training data.
    train_eval_get_dataset_fn: makes {dataset: evaluation data}.
    train_state_initializer_cls: makes the first state of a new run.
    verify_matching_vocabs_fn: raises if (dataset_cfg, model) don't fit.
    inference_evaluator_cls: seqio's Evaluator with its configuration bound.
    use_orbax: t5x's own checkpoints; False in both drivers.
    cache_media: where features are kept, as for `media_cache.open_cache`.

  Raises:
    UserError: what doesn't fit, a loss of NaN, a full disk, a folder in use.
    SystemExit: a signal stopped it before the last step.
  """
  checkpoint.check_are_ours(use_orbax)
  for cfg in filter(None, (train_dataset_cfg, train_eval_dataset_cfg)):
    verify_matching_vocabs_fn(cfg, model)
  with stop_on_signals() as stop:
    trainer = trainer_cls(model=model, partitioner=partitioner)
    shard = partitioner.get_data_layout(train_dataset_cfg.batch_size).shard
    eval_datasets = train_eval_dataset_cfg and train_eval_get_dataset_fn(
        train_eval_dataset_cfg, *shard, eval_steps
    )
    return Parts(
        trainer=trainer,
        initializer=train_state_initializer_cls(model, partitioner),
        random_seed=random_seed,
        dataset_cfg=train_dataset_cfg,
        batches=get_dataset_fn(train_dataset_cfg, *shard),
        evaluators=_make_evaluators(
            trainer, eval_datasets, infer_eval_dataset_cfg,
            inference_evaluator_cls, model_dir,
        ),
        checkpoint_cfg=checkpoint_cfg,
        model_dir=model_dir,
        total_steps=total_steps,
        stats_period=stats_period or eval_period, eval_period=eval_period,
        cache_media=cache_media,
        summarize_config=summarize_config_fn,
    ).train(stop)

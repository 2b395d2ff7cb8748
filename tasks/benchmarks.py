# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's benchmarks as seqio tasks, for the gin files of either driver.

In a gin file:
  from flamingo_jax.tasks import benchmarks
  benchmarks.mixture.benchmark = 'vqav2'
  benchmarks.mixture.directory = %DATA_DIR
  EvaluationDatasetConfig.mixture_or_task_name = @benchmarks.mixture()

Prompts, metrics and files are those of `flamingo eval --benchmark`; answers are
always searched for with three beams.
"""

from collections.abc import Sequence
import dataclasses
import os

from flamingo_jax.data import features
from flamingo_jax.data.frames import EVALUATION
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import fewshot
from flamingo_jax.evaluation import finetuning as tuning
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.benchmark import Benchmark

FINETUNING = 'benchmark_finetuning'  # the task of whichever benchmark


def mixture(
    benchmark: str,
    directory: str | os.PathLike,
    shots: Sequence[int] = (4,),
    split: str | None = None,
    seed: int = 0,
    controls: Sequence[str] = (),
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers a benchmark's tasks and returns the name of their mixture.

  The tasks are '<benchmark>_<n>shot' and '<benchmark>_<n>shot_<control>'; their
  split has its official name.

  Args:
    benchmark: one of `flamingo eval --list`.
    directory: has a folder of that name with the official files.
    shots: a task for each number.
    split: of the queries; the one that `flamingo eval --list` marks if None.
    seed: of the choice of shots.
    controls: of prompts.CONTROLS; those that need more shots are left out.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: an unknown benchmark or split; a file is missing, wrong or
      without answers.
  """
  row = paper_benchmarks.find(benchmark)
  names = [
      _add(
          row, directory,
          fewshot.Settings(
              row.name, split or row.split, n, seed, control,
              prompts=row.style.name,
          ),
          vocabulary,
      )
      for n in shots for control in ('', *prompts.controls_of(n, controls))
  ]
  name = f'{row.name}_benchmark'
  features.add_mixture(name, dict.fromkeys(names, 1.0))
  return name


def finetuning(
    benchmark: str,
    directory: str | os.PathLike,
    metric: str,
    held_out: int = 1024,
    augment: str = '',
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers a benchmark's training split to fine-tune on; returns its name.

  Of the same split some examples are held out, to choose by: they are the task
  `evaluation.finetuning.held_out` names, with the benchmark's metrics.

  Args:
    benchmark: one of `flamingo eval --list`.
    directory: has a folder of that name with the official files.
    metric: of the benchmark, the one to choose by.
    held_out: examples that are not trained on; the paper has 5000 of COCO and
      1024 of others (B.1.4).
    augment: of `features.add_task`.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: an unknown benchmark or metric, or no training split; a file is
      missing or wrong; the metric lacks a package or data.
  """
  row = paper_benchmarks.find(benchmark)
  if row.supports is None or row.rule:
    raise UserError(
        f'{row.name} has no training split: fine-tune on another benchmark'
    )
  metrics = sorted(row.metrics, key=lambda each: each.name != metric)
  if metrics[0].name != metric:
    raise UserError(
        f'BEST_METRIC is {metric!r} and must be of {row.name}: '
        + ', '.join(each.name for each in row.metrics)
    )
  settings = fewshot.Settings(
      row.name, row.supports, 0, prompts=row.style.name
  )
  found = fewshot.read_queries(row, directory, settings, allow_missing=False)
  trained, apart = tuning.set_apart(found.queries, held_out)
  features.add_task(
      FINETUNING, {'train': lambda: tuning.AnsweredSamples(trained, row.style)},
      vocabulary=vocabulary, augment=augment,
  )
  tuning.add_held_out_task(
      FINETUNING, apart, metrics, vocabulary,
      EVALUATION if row.shows == 'video' else None,
  )
  return FINETUNING


def _add(
    row: Benchmark,
    directory: str | os.PathLike,
    settings: fewshot.Settings,
    vocabulary: LoadVocabulary,
) -> str:
  found = fewshot.read_queries(row, directory, settings, allow_missing=False)
  if not found.queries[0].answers:
    raise UserError(
        f'the files of {row.name} have no answers in the split '
        f'{settings.split!r}, so that it has no score: flamingo eval '
        '--benchmark writes predictions for its server'
    )
  name = shots_table.name_task(row.name, settings.shots, settings.control)
  options = {
      'metric_fns': [metric.seqio_function() for metric in row.metrics],
      'vocabulary': vocabulary,
  }
  if row.shows == 'video':
    options['sampling'] = EVALUATION
  tasks.add_episode_task(
      name,
      {settings.split: lambda: _Episodes(row, found, settings)},
      candidates=len(found.queries[0].candidates),
      trim=row.trim,
      style=row.style,
      has_shots=settings.shots > 0,
      **options,
  )
  return name


@dataclasses.dataclass(frozen=True)
class _Episodes:
  """The queries of a benchmark, each with its shots."""

  row: Benchmark
  found: fewshot.Queries
  settings: fewshot.Settings

  def __len__(self) -> int:
    return len(self.found.queries)

  def __getitem__(self, index: int) -> prompts.Episode:
    return prompts.make_episode(
        self.found.queries[index], self.found.pool, self.settings.shots,
        self.settings.seed, self.row.shows_texts_at_zero, self.settings.control,
        self.row.rule and self.row.rule.choose,
    )

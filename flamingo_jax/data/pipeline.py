# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From tasks to batches: one stream per task, side by side (Flamingo §2.4).

A batch is a flat dict '<dataset>/<feature>' -> [B, k_d, ...]: every array has
the same leading size B, and dataset d contributes k_d examples to each row, so
that datasets of different batch sizes are sharded and split alike.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import math
import re
from typing import Any

import seqio
import tensorflow as tf

from flamingo_jax.data import features
from flamingo_jax.data import global_order
from flamingo_jax.data import streams
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.document_source import Share
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, FrameSize, Lengths, PictureSize

STRATEGIES = ('accumulation', 'round_robin', 'merged')


@dataclasses.dataclass(frozen=True)
class DatasetConfig:
  """What to read; the fields of t5x's class of this name, where it has them.

  The strategies are the paper's (Flamingo §2.4, Table 11):
    accumulation: every step sees one batch of each task.
    round_robin: step t sees a batch of task t mod n; the batches of the others
      are blank (all loss weights and masks 0), so shapes never change.
    merged: one stream that takes each example from a task drawn in proportion
      to λ, named after the mixture; a batch has the sum of the batch sizes, and
      an example the largest of the lengths.
  """

  mixture_or_task_name: str
  # For each task, as in {'tokens': 256, 'media': 5, 'frames': 1,
  # 'image_size': 320}; 'frames' may be left out.
  task_feature_lengths: Mapping[str, Lengths]
  split: str
  batch_sizes: Mapping[str, int]  # of each task, over all hosts
  shuffle: bool  # and augment; evaluation has neither
  seed: int | None
  strategy: str = 'accumulation'

  def __post_init__(self):
    if self.strategy not in STRATEGIES:
      raise UserError(
          f'DatasetConfig.strategy is {self.strategy!r}; it must be one of '
          f'{", ".join(STRATEGIES)}'
      )
    for task, size in self.batch_sizes.items():
      if size < 1:
        raise UserError(
            f'DatasetConfig.batch_sizes[{task!r}] is {size}; it must be at '
            'least 1'
        )
    if self.shuffle and (self.seed is None or self.seed < 0):
      raise UserError(
          f'DatasetConfig.seed is {self.seed}; shuffling needs a number of at '
          'least 0, or a resumed run would see other data'
      )

  @property
  def batch_size(self) -> int:
    """B: rows of a batch over all hosts, the gcd of the batch sizes."""
    return math.gcd(*dataset_batch_sizes(self).values())


def mixture_tasks(name: str) -> list[seqio.Task]:
  """The tasks of a mixture, or a task by itself; UserError if unknown."""
  return seqio.get_subtasks(_find(name))


def mixture_weights(name: str) -> dict[str, float]:
  """λ of each task of a mixture: its rates; 1 for a task by itself."""
  provider = _find(name)
  if isinstance(provider, seqio.Mixture):
    return {task.name: provider.get_rate(task) for task in provider.tasks}
  return {provider.name: 1.0}


def dataset_weights(cfg: DatasetConfig) -> dict[str, float]:
  """λ of each dataset of a batch; 1 for `merged`, which samples by λ."""
  weights = mixture_weights(cfg.mixture_or_task_name)
  if cfg.strategy == 'merged':
    return {cfg.mixture_or_task_name: 1.0}
  return weights


def dataset_batch_sizes(cfg: DatasetConfig) -> dict[str, int]:
  """Examples of each dataset of a batch, over all hosts."""
  sizes = {
      task.name: _of_task(cfg.batch_sizes, task.name, 'batch_sizes')
      for task in mixture_tasks(cfg.mixture_or_task_name)
  }
  if cfg.strategy == 'merged':
    return {cfg.mixture_or_task_name: sum(sizes.values())}
  return sizes


def check_vocabulary(name: str, vocabulary: vocabulary_lib.Vocabulary) -> None:
  """Raises UserError unless each task of a mixture is tokenized with this."""
  for task in mixture_tasks(name):
    found = task.source.vocabulary
    if found.sha256 != vocabulary.sha256:
      raise UserError(
          f'task {task.name!r} is tokenized with {found.path} and the model '
          f'with {vocabulary.path}: give both the same vocabulary'
      )


def check_pictures(
    task_feature_lengths: Mapping[str, Lengths],
    reads: FrameSize | None,
) -> None:
  """Raises UserError unless tasks make such squares or arrays as are read.

  Args:
    task_feature_lengths: by task.
    reads: None for a model that sees nothing.
  """
  for name, lengths in task_feature_lengths.items():
    if reads is None or 'image_size' not in lengths:
      continue
    size = lengths['image_size']
    if ArraySize in (type(size), type(reads)):
      if size != reads:
        raise UserError(
            f"task_feature_lengths of {name!r} have an 'image_size' of {size}, "
            f'and the model reads {reads}: give @runtime.tower_image_size(), as '
            'configs/own_features.gin'
        )
      continue
    made = PictureSize(size).squaring
    if made != reads.squaring:
      raise UserError(
          f'task_feature_lengths of {name!r} make pictures {made}, and the '
          f'vision encoder reads them {reads.squaring}: give '
          "'image_size': @runtime.tower_image_size(), as configs/own_data.gin"
      )
    if made.tiles and lengths.get('frames', 1) != made.places:
      raise UserError(
          f"task_feature_lengths of {name!r} have 'frames' of "
          f'{lengths.get("frames", 1)}, and a picture has {made.places} places '
          "for its tiles: give it as 'frames'"
      )


def check_split(name: str, split: str) -> None:
  """Raises UserError unless each task of a mixture has the split."""
  # seqio leaves a task without the split out of a mixture, with a log line
  # only: a misspelt split would change what is read.
  for task in mixture_tasks(name):
    if split not in task.splits:
      raise UserError(
          f'task {task.name!r} has no split {split!r}; it has '
          f'{", ".join(task.splits)}'
      )


def get_dataset(
    cfg: DatasetConfig,
    shard_id: int,
    num_shards: int,
    first: int = 0,
) -> tf.data.Dataset:
  """One host's batches, '<dataset>/<feature>' -> [B / num_shards, k_d, ...].

  They go on for ever, through one epoch of the tasks' documents after another.
  Each host reads consecutive rows of the batch, and the batch is the same for
  any number of hosts. With the same config the same batches come again; those
  before `first` are left out, which takes no time, but for the draws of
  `merged`. At the end of an epoch some examples may be blank (loss weights and
  masks 0, ids -1): documents of several files are dealt out as `global_order`
  says.

  Raises:
    UserError: a name, split, length or batch size does not fit.
  """
  rows = _share(cfg.batch_size, num_shards, 'the gcd of batch_sizes')
  part = streams.Part(shard_id, num_shards, first)
  sizes = dataset_batch_sizes(cfg)
  examples = _examples(cfg, part)
  batches = {}
  for turn, (name, stream) in enumerate(examples.items()):
    batches[name] = streams.batch(stream, rows, sizes[name] // cfg.batch_size)
    if cfg.strategy == 'round_robin':
      batches[name] = streams.take_turns(
          batches[name], turn, len(examples), first
      )
  tasks = mixture_tasks(cfg.mixture_or_task_name)
  return streams.finish(
      streams.zip_flat(batches), _is_in_python(tasks, cfg.split)
  )


def get_training_eval_datasets(
    cfg: DatasetConfig,
    shard_id: int,
    num_shards: int,
    eval_steps: int,
    feature_converter_cls: Callable[..., Any] | None = None,
    deterministic: bool = False,
    model_dir: str | None = None,
    start_step: int = 0,
) -> dict[str, tf.data.Dataset]:
  """For each task `eval_steps` batches, '<feature>' -> [b / num_shards, ...].

  The signature is that of t5x's function of this name; b is the task's own
  batch size. A split with too few documents is begun again. Every iteration
  over a dataset gives the same batches. Their order is that of `get_dataset`.

  Raises:
    UserError: a name, split, length or batch size does not fit.
  """
  del feature_converter_cls, deterministic, model_dir, start_step
  part = streams.Part(shard_id, num_shards)
  datasets = {}
  for task in mixture_tasks(cfg.mixture_or_task_name):
    lengths = _lengths(cfg, task)
    size = _of_task(cfg.batch_sizes, task.name, 'batch_sizes')
    rows = _share(size, num_shards, f'batch_sizes[{task.name!r}]')
    stretches = _stretches(cfg, task, lengths, size)
    stream = _stream(cfg, task, lengths, part, part.numbers(size), stretches)
    batches = stream.batch(rows, drop_remainder=True).take(eval_steps)
    datasets[task.name] = streams.finish(
        batches, _is_in_python([task], cfg.split)
    )
  return datasets


def unreadable_counts(name: str) -> dict[str, int]:
  """unreadable/<task>: how often this process met such documents, if ever."""
  found = {
      task.name: task.source.unreadable for task in mixture_tasks(name)
  }
  return {
      f'unreadable/{task}': unreadable.count
      for task, unreadable in found.items() if unreadable and unreadable.count
  }


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
  """Turns a UserError that tf.data wrapped while reading into itself again."""
  try:
    yield
  except tf.errors.OpError as error:
    found = re.search(r'UserError: (.*?)\n+Traceback', error.message, re.DOTALL)
    if not found:
      raise
    raise UserError(found[1]) from None


def _find(name: str) -> seqio.Task | seqio.Mixture:
  tasks, mixtures = seqio.TaskRegistry, seqio.MixtureRegistry
  for registry in (mixtures, tasks):
    if name in registry.names():
      return registry.get(name)
  known = sorted({*tasks.names(), *mixtures.names()})
  raise UserError(
      f'there is no mixture or task {name!r}; known are '
      f'{", ".join(known) or "none"}; import the module that registers it in '
      'the gin file'
  )


def _of_task(table: Mapping[str, Any], task: str, field: str) -> Any:
  if task not in table:
    raise UserError(
        f'DatasetConfig.{field} has no entry for task {task!r}; it has '
        f'{", ".join(table) or "none"}'
    )
  return table[task]


def _is_in_python(tasks: Sequence[seqio.Task], split: str) -> bool:
  """Whether Python makes all documents, and nothing is decoded."""
  return all(
      getattr(task.source.documents(split), 'made_in_python', False)
      for task in tasks
  )


def _lengths(cfg: DatasetConfig, task: seqio.Task) -> dict[str, int]:
  """Of a task's examples; UserError if they or the split do not fit it."""
  check_split(task.name, cfg.split)
  return features.check_lengths(
      task.name,
      _of_task(cfg.task_feature_lengths, task.name, 'task_feature_lengths'),
      task.source.lengths,
  )


def _share(size: int, num_shards: int, what: str) -> int:
  if size % num_shards:
    raise UserError(
        f'{what} is {size}, which {num_shards} hosts cannot share evenly; make '
        f'it a multiple of {num_shards}'
    )
  return size // num_shards


def _examples(
    cfg: DatasetConfig, part: streams.Part
) -> dict[str, tf.data.Dataset]:
  """The examples of each dataset of a batch."""
  tasks = mixture_tasks(cfg.mixture_or_task_name)
  sizes = dataset_batch_sizes(cfg)
  lengths = {task.name: _lengths(cfg, task) for task in tasks}
  if cfg.strategy == 'merged':
    return {
        cfg.mixture_or_task_name: _merged(
            cfg, tasks, lengths, part, sizes[cfg.mixture_or_task_name]
        )
    }
  examples = {}
  for turn, task in enumerate(tasks):
    mine = part
    if cfg.strategy == 'round_robin':
      mine = part.turns(turn, len(tasks))
    examples[task.name] = _stream(
        cfg, task, lengths[task.name], part,
        mine.numbers(sizes[task.name]),
        _stretches(cfg, task, lengths[task.name], sizes[task.name]),
    )
  return examples


def _merged(
    cfg: DatasetConfig,
    tasks: Sequence[seqio.Task],
    lengths: Mapping[str, Lengths],
    part: streams.Part,
    batch_size: int,
) -> tf.data.Dataset:
  """One stream of the examples of all tasks, drawn in proportion to λ."""
  largest = {
      key: max(length[key] for length in lengths.values())
      for key in lengths[tasks[0].name]
  }
  weights = mixture_weights(cfg.mixture_or_task_name)
  stretches = [_stretches(cfg, task, largest, batch_size) for task in tasks]
  choices, numbers = part.drawn(
      [weights[task.name] for task in tasks], cfg.seed or 0, batch_size,
      by_row=[count > 1 for count in stretches],
  )
  return tf.data.Dataset.choose_from_datasets(
      [
          _stream(cfg, task, largest, part, *of_task)
          for task, *of_task in zip(tasks, numbers, stretches)
      ],
      choices,
  )


def _stretches(
    cfg: DatasetConfig, task: seqio.Task, lengths: Lengths, size: int
) -> int:
  """Of a task's documents, in batches of so many examples."""
  return global_order.stretches_of(
      task.source.documents(cfg.split), lengths.get('documents', 1), size
  )


def _stream(
    cfg: DatasetConfig,
    task: seqio.Task,
    lengths: Lengths,
    part: streams.Part,
    numbers: tf.data.Dataset,
    stretches: int,
) -> tf.data.Dataset:
  """The examples of a task with these numbers, of so many stretches."""
  return task.get_dataset(
      sequence_length=lengths,
      split=cfg.split,
      shuffle=cfg.shuffle,
      seed=cfg.seed,
      shard_info=Share(part.index, part.count, numbers, stretches),
      num_epochs=1,
      try_in_mem_cache=False,
  )

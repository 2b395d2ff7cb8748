# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders that `flamingo prepare` has made, as tasks and as a mixture of them.

In a gin file, all that is to be said of a data set is said once:
  include 'configs/mixtures/prepared.gin'
  DATASETS = {
      'my_pages': {
          'weight': 1.0, 'tokens': 256, 'media': 5, 'image_size': 64,
          'batch_size': 8, 'p_next': 0.5,
      },
  }
"""

from collections.abc import Collection, Mapping
import difflib
import math
import os
from typing import Any

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

import seqio

from flamingo_jax.data import buckets
from flamingo_jax.data import features
from flamingo_jax.data import records
from flamingo_jax.data.document_source import Splits, splits_of
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.errors import UserError, shown

_SPLITS = ('train', 'validation')
# What of an entry of DATASETS is the length of an example, and what an option of
# `features.add_task`; beside these are 'weight' and 'batch_size'.
_LENGTHS = ('tokens', 'media', 'frames', 'image_size')
_OPTIONS = ('augment', 'p_next', 'p_space')


def add_task(
    name: str,
    directory: str | os.PathLike,
    *,
    augment: str = 'flipped',
    **options: Any,
) -> seqio.Task:
  """Registers a data set of your own as a seqio task.

  Of so many documents a few cannot be read: others take their place.

  Args:
    name: of the task, and of its folder: DIRECTORY/<name>/train and, if it is
      there, DIRECTORY/<name>/validation are its splits.
    directory: holds a folder for each task.
    augment: of `features.add_task`; 'flipped' is the paper's (B.1.2).
    **options: vocabulary, p_next and p_space of `features.add_task`.

  Raises:
    UserError: a folder is missing or damaged.
  """
  tasks = {name: {'augment': augment, **options}}
  return add_tasks('prepared.add_task', directory, tasks)[name]


def add_tasks(
    function: str,
    directory: str | os.PathLike,
    tasks: Mapping[str, Mapping[str, Any]],
) -> dict[str, seqio.Task]:
  """`add_task` for several at once: all missing folders are told together.

  Args:
    function: whose argument `directory` is, for the message.
    directory: holds a folder for each task.
    tasks: names, and of each the options of `features.add_task`.

  Returns:
    The tasks by name.

  Raises:
    UserError: a folder is missing or damaged.
  """
  found = read(function, directory, tasks, 'FORMAT PATH')
  return {
      name: features.add_task(
          name, found[name], replace_unreadable=True, **options
      )
      for name, options in tasks.items()
  }


def read(
    function: str,
    directory: str | os.PathLike,
    tasks: Collection[str],
    source: str,
) -> Mapping[str, Splits]:
  """The splits of each task: DIRECTORY/<task>/train and, if it is there,
  DIRECTORY/<task>/validation.

  Args:
    function: whose argument `directory` is, for the message.
    directory: holds a folder for each task, and in it one for each split.
    tasks: names.
    source: what `flamingo prepare` makes such a folder of, for the message.

  Raises:
    UserError: a folder is missing or damaged.
  """
  if not directory:
    raise UserError(
        f'{function}.directory is empty; pass --gin.DATA_DIR=DIR, which holds '
        f'{", ".join(f"{task}/train" for task in tasks)}'
    )
  root = buckets.as_folder(directory)
  splits = {
      task: [s for s in _SPLITS if records.exists(root / task / s)]
      for task in tasks
  }
  missing = [
      root / task / 'train' for task in tasks if 'train' not in splits[task]
  ]
  if missing:
    out, copy = os.fspath(missing[0]), ''
    if buckets.is_address(out):
      out, copy = 'DIR', ' and copy DIR there'
    raise UserError(
        f'{" and ".join(map(os.fspath, missing))} must be prepared; make each '
        f'with `flamingo prepare {source} --out={out}`{copy}'
    )
  return {
      task: splits_of({
          split: records.RecordDocuments(root / task / split)
          for split in found
      })
      for task, found in splits.items()
  }


def mixture(
    directory: str | os.PathLike,
    datasets: Any,  # as a gin file has them
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers a task of each data set and their mixture; returns its name.

  Args:
    directory: holds a folder for each data set, and in it one for each split.
    datasets: of each its 'weight', the λ of its loss; 'tokens', 'media', 'frames'
      and 'image_size' of an example; 'batch_size'; and options of its task.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: a folder is missing or damaged, or an entry makes no sense.
  """
  _check(datasets)
  for name, entry in datasets.items():
    weight = entry.get('weight')
    if not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
      raise UserError(f"DATASETS[{name!r}]['weight'] is {shown(weight)}; it is the "
                      'λ of its loss and must be a positive number')
  add_tasks('prepared.mixture', directory, {
      name: {
          'vocabulary': vocabulary, 'arrays': features.has_arrays(entry),
          'augment': '' if features.has_arrays(entry) else 'flipped',
      } | {key: entry[key] for key in _OPTIONS if key in entry}
      for name, entry in datasets.items()
  })
  name = 'prepared'
  features.add_mixture(
      name, {name: entry['weight'] for name, entry in datasets.items()}
  )
  return name


def task_feature_lengths(datasets: Any) -> dict[str, dict[str, Any]]:
  """TASK_FEATURE_LENGTHS of these data sets."""
  _check(datasets)
  return {
      name: {key: entry[key] for key in _LENGTHS if key in entry}
      for name, entry in datasets.items()
  }


def batch_sizes(datasets: Any) -> dict[str, int]:
  """BATCH_SIZES of these data sets.

  Raises:
    UserError: one has none.
  """
  _check(datasets)
  missing = [name for name in datasets if 'batch_size' not in datasets[name]]
  if missing:
    raise UserError(f"DATASETS[{missing[0]!r}] has no 'batch_size': add it, or bind "
                    'BATCH_SIZES')
  return {name: entry['batch_size'] for name, entry in datasets.items()}


def _check(datasets: Any) -> None:
  """Raises UserError if an entry is none, or says what nobody reads."""
  if not isinstance(datasets, Mapping) or not datasets:
    raise UserError(f'DATASETS is {shown(datasets)}; it must be a dict with an '
                    'entry for each data set')
  known = ('weight', *_LENGTHS, 'batch_size', *_OPTIONS)
  for name, entry in datasets.items():
    if not isinstance(entry, Mapping):
      raise UserError(f'DATASETS[{name!r}] is {shown(entry)}; it must be a dict '
                      f'with {", ".join(known)}')
    for key in set(entry) - set(known):
      close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
      hint = f'did you mean {close[0]!r}?' if close else (
          f'there are {", ".join(known)}'
      )
      raise UserError(f'DATASETS[{name!r}] has the key {shown(key)}: {hint}')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders that `flamingo prepare` has made, for tasks that read them."""

from collections.abc import Collection, Mapping
import os
from typing import Any

import seqio

from flamingo_jax.data import buckets
from flamingo_jax.data import features
from flamingo_jax.data import records
from flamingo_jax.data.document_source import Splits, splits_of
from flamingo_jax.errors import UserError

_SPLITS = ('train', 'validation')


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

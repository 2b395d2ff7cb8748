# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of MassiveText as tasks, from shards of your own (Chinchilla).

In a gin file:
  from tasks import massive_text
  massive_text.mixture.directory = %DATA_DIR
  DatasetConfig.mixture_or_task_name = @massive_text.mixture()
  DatasetConfig.strategy = 'merged'

DATA_DIR/massive_web/train, books/train and so on hold documents of text; a
folder `validation` beside each `train` is a split of that name. DeepMind's text
is not public: put in what you have. `flamingo prepare jsonl FILE.jsonl --text
--out=DATA_DIR/books/train` makes such a folder.
"""

from collections.abc import Callable
import os
import pathlib

from flamingo_jax.data import features
from flamingo_jax.data import records
from flamingo_jax.data import text
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.errors import UserError

NAME = 'massive_text'
# How often an example is of each: Chinchilla's sampling.
WEIGHTS = {
    'massive_web': 0.45, 'books': 0.3, 'c4': 0.1, 'news': 0.1, 'github': 0.04,
    'wikipedia': 0.01,
}
_SPLITS = ('train', 'validation')


def mixture(
    directory: str,
    vocabulary: Callable[
        [], vocabulary_lib.Vocabulary
    ] = vocabulary_lib.default_vocabulary,
) -> str:
  """Registers the tasks and the mixture `massive_text`; returns its name.

  Args:
    directory: holds a folder for each part, and in it one for each split.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: a folder is missing or damaged.
  """
  if not directory:
    raise UserError(
        'massive_text.mixture.directory is empty; pass --gin.DATA_DIR=DIR, '
        f'which holds {", ".join(f"{part}/train" for part in WEIGHTS)}'
    )
  folders = {
      part: {split: pathlib.Path(directory, part, split) for split in _SPLITS}
      for part in WEIGHTS
  }
  missing = [f['train'] for f in folders.values() if not f['train'].is_dir()]
  if missing:
    raise UserError(
        f'{" and ".join(map(os.fspath, missing))} must be prepared; make each '
        f'with `flamingo prepare jsonl FILE.jsonl --text --out={missing[0]}`'
    )
  for part, splits in folders.items():
    found = {
        split: records.RecordDocuments(folder)
        for split, folder in splits.items() if folder.is_dir()
    }
    text.add_task(
        part,
        {split: _return(documents) for split, documents in found.items()},
        vocabulary=vocabulary,
    )
  features.add_mixture(NAME, WEIGHTS)
  return NAME


def _return(found: features.Documents) -> Callable[[], features.Documents]:
  return lambda: found

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of MassiveText as tasks, from shards of your own (Chinchilla).

In a gin file:
  from flamingo_jax.tasks import massive_text
  massive_text.mixture.directory = %DATA_DIR
  DatasetConfig.mixture_or_task_name = @massive_text.mixture()
  DatasetConfig.strategy = 'merged'

DATA_DIR/massive_web/train, books/train and so on hold documents of text; a
folder `validation` beside each `train` is a split of that name. DeepMind's text
is not public: put in what you have. `flamingo prepare jsonl FILE.jsonl --text
--out=DATA_DIR/books/train` makes such a folder.
"""

from flamingo_jax.data import features
from flamingo_jax.data import text
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.tasks import prepared

NAME = 'massive_text'
# How often an example is of each: Chinchilla's sampling.
WEIGHTS = {
    'massive_web': 0.45, 'books': 0.3, 'c4': 0.1, 'news': 0.1, 'github': 0.04,
    'wikipedia': 0.01,
}


def mixture(
    directory: str,
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers the tasks and the mixture `massive_text`; returns its name.

  Args:
    directory: holds a folder for each part, and in it one for each split.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: a folder is missing or damaged.
  """
  found = prepared.read(
      'massive_text.mixture', directory, WEIGHTS, 'jsonl FILE.jsonl --text'
  )
  for part, splits in found.items():
    text.add_task(part, splits, vocabulary=vocabulary)
  features.add_mixture(NAME, WEIGHTS)
  return NAME

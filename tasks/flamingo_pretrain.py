# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's four data sets as tasks, from shards of your own (Flamingo §2.4).

In a gin file:
  from tasks import flamingo_pretrain
  flamingo_pretrain.mixture.directory = %DATA_DIR
  DatasetConfig.mixture_or_task_name = @flamingo_pretrain.mixture()

DATA_DIR/m3w/train holds interleaved pages, align/train and ltip/train pictures
with short and long captions, vtp/train videos with captions; a folder
`validation` beside `train` is a split of that name. None of the paper's data
are public: put in what you have. `flamingo prepare` makes the folders.
"""

from collections.abc import Callable, Iterable, Mapping

from flamingo_jax.data import features
from flamingo_jax.data import vocabulary as vocabulary_lib
from tasks import prepared

NAME = 'flamingo_pretrain'
WEIGHTS = {'m3w': 1.0, 'align': 0.2, 'ltip': 0.2, 'vtp': 0.03}  # λ, B.1.2
# A page's text looks at the next picture as often as at the last one (A.3.2);
# every other caption begins with a space (B.1.2).
_AUGMENTATIONS = {
    'm3w': {'p_next': 0.5},
    'align': {'p_space': 0.5},
    'ltip': {'p_space': 0.5},
    'vtp': {'p_space': 0.5},
}


def mixture(
    directory: str,
    vocabulary: Callable[
        [], vocabulary_lib.Vocabulary
    ] = vocabulary_lib.default_vocabulary,
) -> str:
  """Registers the tasks and the mixture `flamingo_pretrain`; returns its name.

  Args:
    directory: holds a folder for each task, and in it one for each split.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: a folder is missing or damaged.
  """
  _register('mixture', directory, vocabulary, WEIGHTS, _AUGMENTATIONS)
  features.add_mixture(NAME, WEIGHTS)
  return NAME


def pairs(
    directory: str,
    vocabulary: Callable[
        [], vocabulary_lib.Vocabulary
    ] = vocabulary_lib.default_vocabulary,
) -> str:
  """Registers `align`, `ltip` and the mixture `contrastive_pretrain` of both.

  Args and errors are those of `mixture`; the paper tells no weights (B.3.2).
  """
  weights = {'align': 1.0, 'ltip': 1.0}
  _register('pairs', directory, vocabulary, weights, {})
  features.add_mixture('contrastive_pretrain', weights)
  return 'contrastive_pretrain'


def _register(
    function: str,
    directory: str,
    vocabulary: Callable[[], vocabulary_lib.Vocabulary],
    tasks: Iterable[str],
    options: Mapping[str, Mapping[str, float]],
) -> None:
  found = prepared.read(
      f'flamingo_pretrain.{function}', directory, tasks, 'FORMAT PATH'
  )
  for task, splits in found.items():
    features.add_task(
        task, splits, vocabulary=vocabulary, augment=True,
        **options.get(task, {}),
    )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's four data sets as tasks, from shards of your own (Flamingo §2.4).

In a gin file:
  from flamingo_jax.tasks import flamingo_pretrain
  flamingo_pretrain.mixture.directory = %DATA_DIR
  DatasetConfig.mixture_or_task_name = @flamingo_pretrain.mixture()

DATA_DIR/m3w/train holds interleaved pages, align/train and ltip/train pictures
with short and long captions, vtp/train videos with captions; a folder
`validation` beside `train` is a split of that name. None of the paper's data
are public: put in what you have, or use `public`, the same mixture of public data
sets under their own names. `flamingo prepare` makes the folders.
"""

from collections.abc import Mapping, Sequence

from flamingo_jax.data import features
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.tasks import prepared

NAME = 'flamingo_pretrain'
WEIGHTS = {'m3w': 1.0, 'align': 0.2, 'ltip': 0.2, 'vtp': 0.03}  # λ, B.1.2
# Pages, pictures with noisy and with cleaner captions, clips. IDEFICS was trained
# on OBELICS and LAION; the other two are our choice, and so are their weights.
PUBLIC_NAME = 'flamingo_public'
PUBLIC_WEIGHTS = {'obelics': 1.0, 'laion': 0.2, 'cc12m': 0.2, 'webvid': 0.03}
# A page's text looks at the next picture as often as at the last one (A.3.2);
# every other caption begins with a space (B.1.2).
_PAGES = {'p_next': 0.5}
_CAPTIONS = {'p_space': 0.5}
_AUGMENTATIONS = {
    **dict.fromkeys(WEIGHTS | PUBLIC_WEIGHTS, _CAPTIONS),
    'm3w': _PAGES, 'obelics': _PAGES,
}


def mixture(
    directory: str,
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers the tasks and the mixture `flamingo_pretrain`; returns its name.

  Args:
    directory: holds a folder for each task, and in it one for each split.
    vocabulary: returns the tokenizer.

  Raises:
    UserError: a folder is missing or damaged.
  """
  return _register(
      'mixture', directory, vocabulary, NAME, WEIGHTS, _AUGMENTATIONS
  )


def public(
    directory: str,
    vocabulary: LoadVocabulary = default_vocabulary,
    tasks: Sequence[str] = tuple(PUBLIC_WEIGHTS),
) -> str:
  """Registers `obelics`, `laion`, `cc12m`, `webvid` and `flamingo_public`.

  Args and errors are those of `mixture`; `tasks` may be some of the four. A
  mixture of other data sets takes `prepared.add_task` for each of them and
  `features.add_mixture`.
  """
  weights = {task: PUBLIC_WEIGHTS[task] for task in tasks}
  return _register(
      'public', directory, vocabulary, PUBLIC_NAME, weights, _AUGMENTATIONS
  )


def pairs(
    directory: str,
    vocabulary: LoadVocabulary = default_vocabulary,
) -> str:
  """Registers `align`, `ltip` and the mixture `contrastive_pretrain` of both.

  Args and errors are those of `mixture`; the paper tells no weights (B.3.2).
  """
  return _register(
      'pairs', directory, vocabulary, 'contrastive_pretrain',
      {'align': 1.0, 'ltip': 1.0}, {},
  )


def _register(
    function: str,
    directory: str,
    vocabulary: LoadVocabulary,
    name: str,
    weights: Mapping[str, float],
    options: Mapping[str, Mapping[str, float]],
) -> str:
  """Registers a mixture and its tasks, and returns its name."""
  prepared.add_tasks(f'flamingo_pretrain.{function}', directory, {
      task: {
          'vocabulary': vocabulary, 'augment': 'flipped',
          **options.get(task, {}),
      }
      for task in weights
  })
  features.add_mixture(name, weights)
  return name

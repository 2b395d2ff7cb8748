# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What contrastive towers know: retrieval and zero-shot classes (B.3.2)."""

from collections.abc import Iterable, Mapping, Sequence
import functools
import os
import re

import jax
import numpy as np

from flamingo_jax.data import pipeline
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import ContrastiveConfig, DualTower
from flamingo_jax.training.checkpoint import load_params
from flamingo_jax.training.model_dir import read_model_json, run_folder
from flamingo_jax.typing import Float

TEMPLATES = ('a {}', 'a picture of a {}', 'a photo of a {}')
_BATCH = 64


def recalls(
    images: Float[np.ndarray, 'N J'],
    texts: Float[np.ndarray, 'N J'],
    names: Sequence[str],
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
  """Share of queries with a right answer among the first k, both ways.

  Args:
    images: unit vectors of pictures.
    texts: those of their texts, in the same order.
    names: the texts; any that is the same as the right one is right.
    ks: how many answers are looked at.

  Returns:
    image_to_text/R@1 and so on, text_to_image/R@1 and so on, in [0, 1]. A wrong
    answer that scores the same as the best right one comes before it.
  """
  scores = images @ texts.T
  # A text that several pictures have is one candidate.
  _, first, number = np.unique(names, return_index=True, return_inverse=True)
  right = number[:, None] == np.arange(len(first))
  result = {}
  for way, of_way, is_right in (
      ('image_to_text', scores[:, first], right),
      ('text_to_image', scores[:, first].T, right.T),
  ):
    best = np.max(np.where(is_right, of_way, -np.inf), axis=1, keepdims=True)
    rank = np.sum((of_way >= best) & ~is_right, axis=1)
    for k in ks:
      result[f'{way}/R@{k}'] = float(np.mean(rank < k))
  return result


def class_vectors(
    prompts: Float[np.ndarray, 'C P J'],
) -> Float[np.ndarray, 'C J']:
  """One unit vector per class: the mean over its prompts' unit vectors."""
  mean = np.mean(prompts, axis=1)
  return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


class Towers:
  """The towers of a run, ready to embed."""

  def __init__(self, model_dir: str | os.PathLike, step: int | None = None):
    """Reads a checkpoint.

    Args:
      model_dir: of a contrastive run.
      step: which checkpoint; the newest if None.

    Raises:
      UserError: no such run, or one of another model.
    """
    folder = run_folder(model_dir)
    description = read_model_json(folder)
    self.config = ContrastiveConfig.from_dict(description['architecture'])
    self.vocabulary = Vocabulary(folder / 'vocabulary.model')
    params, self.step = load_params(folder, step)
    apply = functools.partial(DualTower(self.config).apply, {'params': params})
    self._images = jax.jit(functools.partial(apply, method='embed_images'))
    self._texts = jax.jit(functools.partial(apply, method='embed_texts'))

  def embed_images(
      self, images: np.ndarray
  ) -> Float[np.ndarray, 'N J']:
    """Unit vectors of uint8 pictures [N h w 3]."""
    return self._in_batches(self._images, images)

  def embed_texts(self, texts: Sequence[str]) -> Float[np.ndarray, 'N J']:
    """Unit vectors of texts, ended as those of training are.

    Raises:
      UserError: a text is longer than the text encoder reads.
    """
    vocabulary, context = self.vocabulary, self.config.text.context
    tokens = np.zeros((len(texts), context), np.int32)
    mask = np.zeros((len(texts), context), bool)
    for i, text in enumerate(texts):
      ids = vocabulary.encode(text) + [vocabulary.eoc_id, vocabulary.eos_id]
      if len(ids) > context:
        raise UserError(
            f'the text {text[:40]!r} has {len(ids)} tokens, and the text '
            f'encoder reads {context}: shorten it'
        )
      tokens[i, : len(ids)], mask[i, : len(ids)] = ids, True
    return self._in_batches(self._texts, tokens, mask)

  def _in_batches(self, function, *arrays):
    """Batches of one size, so that one program does for all."""
    parts = []
    for start in range(0, len(arrays[0]), _BATCH):
      part = [x[start : start + _BATCH] for x in arrays]
      missing = _BATCH - len(part[0])
      padded = [
          np.concatenate([x, np.repeat(x[:1], missing, axis=0)]) for x in part
      ]
      parts.append(np.asarray(function(*padded))[: len(part[0])])
    return np.concatenate(parts)


def read_pairs(
    towers: Towers, task: str, split: str, count: int
) -> tuple[np.ndarray, list[str]]:
  """The first pictures of a task of pairs, and their texts.

  Args:
    towers: whose picture size and vocabulary it is read with.
    task: registered with `data.features.add_task`.
    split: of the task.
    count: how many.

  Raises:
    UserError: no such task or split, or another vocabulary.
  """
  size, length = towers.config.image_size, towers.config.text.context
  cfg = pipeline.DatasetConfig(
      mixture_or_task_name=task,
      task_feature_lengths={
          task: {'tokens': length, 'media': 1, 'image_size': size}
      },
      split=split, batch_sizes={task: 1}, shuffle=False, seed=None,
  )
  pipeline.check_vocabulary(task, towers.vocabulary)
  images, texts = [], []
  with pipeline.reading_errors():
    examples = pipeline.get_training_eval_datasets(cfg, 0, 1, count)[task]
    for example in examples.as_numpy_iterator():
      images.append(example['media'][0, 0, 0])
      learnt = example['loss_weights'][0] > 0
      texts.append(towers.vocabulary.decode(example['targets'][0][learnt]))
  return np.stack(images), [text.strip() for text in texts]


def evaluate(
    model_dir: str | os.PathLike,
    task: str,
    split: str,
    count: int,
    classes: Sequence[str] = (),
    templates: Sequence[str] = TEMPLATES,
) -> Mapping[str, float]:
  """Retrieval among `count` pairs and, if classes are given, their accuracy.

  A picture is of a class if its text has the name of that class as a word, and
  of no other; the rest is left out.

  Args:
    model_dir: of a contrastive run.
    task: of pairs.
    split: of the task.
    count: pairs to read.
    classes: names.
    templates: of the prompts of a class, with {} for its name.
  """
  towers = Towers(model_dir)
  images, texts = read_pairs(towers, task, split, count)
  vectors = towers.embed_images(images)
  scores = recalls(vectors, towers.embed_texts(texts), texts)
  if classes:
    labels = np.array([label(text, classes) for text in texts])
    known = labels >= 0
    if not known.any():
      raise UserError(
          f'no text of {task!r} names exactly one of {", ".join(classes)}'
      )
    prompts = [form.format(name) for name in classes for form in templates]
    of_class = class_vectors(
        towers.embed_texts(prompts).reshape(len(classes), len(templates), -1)
    )
    found = np.argmax(vectors[known] @ of_class.T, axis=1)
    scores['zero_shot/accuracy'] = float(np.mean(found == labels[known]))
    scores['zero_shot/pictures'] = float(known.sum())
  return scores


def label(text: str, classes: Iterable[str]) -> int:
  """The number of the one class that a text names; -1 for none or several."""
  words = re.findall(r'\w+', text.lower())
  found = [i for i, name in enumerate(classes) if name.lower() in words]
  return found[0] if len(found) == 1 else -1

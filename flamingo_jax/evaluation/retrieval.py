# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What contrastive towers know: retrieval and zero-shot classes (B.3.2)."""

from collections.abc import Iterable, Mapping, Sequence
import functools
import operator
import os
import re

import jax
import numpy as np

from flamingo_jax import progress
from flamingo_jax.data import pipeline
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.frames import EVALUATION, Sampling
from flamingo_jax.data.media import Media, load_frames
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import clips
from flamingo_jax.evaluation import fewshot
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.models import ContrastiveConfig, DualTower
from flamingo_jax.models.vision import picture_size
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.run_dir.model_json import read_model_json
from flamingo_jax.typing import Bool, Float, Int

TEMPLATES = ('a {}', 'a picture of a {}', 'a photo of a {}')
_BATCH = 64
_FRAMES = 512  # of videos, in memory at once


def recalls(
    images: Float[np.ndarray, 'N J'],
    texts: Float[np.ndarray, 'T J'],
    names: Sequence[str],
    ks: Sequence[int] = (1, 5, 10),
    owners: Sequence[int] | None = None,
) -> dict[str, float]:
  """Share of queries with a right answer among the first k, both ways.

  Args:
    images: unit vectors of pictures.
    texts: those of their texts.
    names: the texts; any that is the same as a right one is right.
    ks: how many answers are looked at.
    owners: the picture of each text; None: they are in the same order.

  Returns:
    image_to_text/R@1 and so on, text_to_image/R@1 and so on, in [0, 1]. A wrong
    answer that scores the same as the best right one comes before it.
  """
  # A text that several pictures have is one candidate.
  _, first, number = np.unique(names, return_index=True, return_inverse=True)
  right = np.zeros((len(images), len(first)), bool)
  right[np.arange(len(names)) if owners is None else owners, number] = True
  result = {}
  for way, ranks in (
      ('image_to_text', _ranks(images, texts[first], right)),
      ('text_to_image', _ranks(texts[first], images, right.T)),
  ):
    for k in ks:
      result[f'{way}/R@{k}'] = float(np.mean(ranks < k))
  return result


def _ranks(
    queries: Float[np.ndarray, 'Q J'],
    candidates: Float[np.ndarray, 'C J'],
    right: Bool[np.ndarray, 'Q C'],
) -> np.ndarray:
  """How many wrong candidates come before the best right one of each query."""
  ranks = []
  for start in range(0, len(queries), _BATCH):  # not all scores at once
    scores = queries[start : start + _BATCH] @ candidates.T
    is_right = right[start : start + _BATCH]
    best = np.max(np.where(is_right, scores, -np.inf), axis=1, keepdims=True)
    ranks.append(np.sum((scores >= best) & ~is_right, axis=1))
  return np.concatenate(ranks)


def class_vectors(
    prompts: Float[np.ndarray, 'C P J'],
) -> Float[np.ndarray, 'C J']:
  """One unit vector per class: the mean over its prompts' unit vectors."""
  return _unit(np.mean(prompts, axis=1))


def _unit(vectors: Float[np.ndarray, 'N J']) -> Float[np.ndarray, 'N J']:
  return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Towers:
  """The towers of a run, ready to embed."""

  def __init__(
      self, model_dir: str | os.PathLike, sampling: Sampling = EVALUATION
  ):
    """Reads the newest checkpoint.

    Args:
      model_dir: of a contrastive run.
      sampling: what is read of a video.

    Raises:
      UserError: no such run, or one of another model.
    """
    folder = as_folder(model_dir)
    description = read_model_json(folder)
    self.config = ContrastiveConfig.from_dict(
        description['architecture'], f'the model in {folder}'
    )
    self.size = picture_size(self.config.vision, self.config.image_size)
    self.vocabulary = Vocabulary(folder / 'vocabulary.model')
    params, self.step = load_params(folder)
    self._variables = jax.device_put({'params': params})
    embed = lambda method: jax.jit(
        functools.partial(DualTower(self.config).apply, method=method)
    )
    self._images, self._texts = embed('embed_images'), embed('embed_texts')
    self._sampling = sampling

  def embed_images(self, images: np.ndarray) -> Float[np.ndarray, 'N J']:
    """Unit vectors of uint8 pictures [N h w 3]."""
    return self._in_batches(self._images, images)

  def embed_media(self, media: Sequence[Media]) -> Float[np.ndarray, 'N J']:
    """Unit vectors of pictures and videos, some of which are read at once.

    A video's is the mean over its frames' unit vectors; the paper doesn't say.
    """
    means, count = [], _BATCH
    if any(medium.kind == 'video' for medium in media):
      count = -(-_FRAMES // self._sampling.frames)
    with progress.stage('looking', len(media), 'pictures and videos') as stage:
      for start in range(0, len(media), count):
        pixels = list(map(self._pixels, media[start : start + count]))
        vectors = self.embed_images(np.concatenate(pixels))
        ends = np.cumsum([len(part) for part in pixels])[:-1]
        means += [part.mean(axis=0) for part in np.split(vectors, ends)]
        stage.reach(len(means), len(media))
    return _unit(np.stack(means))

  def _pixels(self, medium: Media) -> np.ndarray:
    """uint8[T h w 3], the frames that exist."""
    read = self._sampling
    frames = 1 if medium.kind == 'image' else read.frames
    pixels, mask = load_frames(medium, frames, self.size, None, read.fps)
    return pixels[mask]

  def cut(self, text: str) -> str:
    """As much of a text as the text encoder reads."""
    room = self.config.text.context - 2  # <EOC> and <EOS>
    ids = self.vocabulary.encode(text)
    return text if len(ids) <= room else self.vocabulary.decode(ids[:room])

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
    with progress.stage('reading', len(texts), 'texts') as stage:
      return self._in_batches(self._texts, tokens, mask, told=stage.add)

  def _in_batches(self, function, *arrays, told=lambda count: None):
    """Batches of one size, so that one program does for all."""
    parts = []
    for start in range(0, len(arrays[0]), _BATCH):
      part = [x[start : start + _BATCH] for x in arrays]
      missing = _BATCH - len(part[0])
      padded = [
          np.concatenate([x, np.repeat(x[:1], missing, axis=0)]) for x in part
      ]
      vectors = function(self._variables, *padded)
      parts.append(np.asarray(vectors)[: len(part[0])])
      told(len(part[0]))
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
  size, length = towers.size, towers.config.text.context
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
    ranks = _class_ranks(
        towers, vectors[known], labels[known], classes, templates
    )
    scores['zero_shot/accuracy'] = float(np.mean(ranks < 1))
    scores['zero_shot/pictures'] = float(known.sum())
  return scores


BENCHMARKS = ('coco', 'flickr30k', 'imagenet', 'kinetics700')


def evaluate_benchmark(
    model_dir: str | os.PathLike,
    name: str,
    data: str | os.PathLike,
    split: str | None = None,
    templates: Sequence[str] = TEMPLATES,
    frames: AnyNumber = None,
    fps: AnyNumber = None,
) -> Mapping[str, float]:
  """Retrieval among all captions of a benchmark, or accuracy of its classes.

  Args:
    model_dir: of a contrastive run.
    name: one of BENCHMARKS.
    data: has a folder of that name with the official files.
    split: of the benchmark; None: the paper's.
    templates: of the prompts of a class, with {} for its name.
    frames: that are read of a video; None: the paper's 30.
    fps: frames per second of a video; None: the paper's 3. One that is longer
      than frames / fps seconds is covered evenly.

  Returns:
    Of captions the recalls, with how many texts were longer than the text
    encoder reads and were cut; of classes zero_shot/accuracy (ImageNet's in the
    paper) and zero_shot/mean_top1_top5 (Kinetics700's), with frames and fps of
    videos and how many were covered evenly. A wrong class that scores the same
    as the right one comes before it.

  Raises:
    UserError: another benchmark; a file is missing; frames or fps make no
      sense.
  """
  if name not in BENCHMARKS:
    raise UserError(
        f'towers are scored on {", ".join(BENCHMARKS)} and not on {name!r}'
    )
  row = paper_benchmarks.find(name)
  settings = fewshot.Settings(
      name, split or row.split, shots=0, frames=frames, fps=fps
  ).of(row)
  queries = fewshot.read_queries(row, data, settings, False).queries
  sampling = EVALUATION.override(**settings.sampling)
  towers = Towers(model_dir, sampling=sampling)
  vectors = towers.embed_media([query.media[0] for query in queries])
  if not row.is_close_ended:
    whole = [text for query in queries for text in query.answers]
    texts = list(map(towers.cut, whole))
    owners = [i for i, query in enumerate(queries) for _ in query.answers]
    scores = recalls(vectors, towers.embed_texts(texts), texts, owners=owners)
    cut = sum(map(operator.ne, texts, whole))
    return scores | {'pictures': len(queries), 'texts_cut': cut}
  classes = queries[0].candidates
  number = {name: i for i, name in enumerate(classes)}
  labels = np.array([number[query.answers[0]] for query in queries])
  ranks = _class_ranks(towers, vectors, labels, classes, templates)
  top1, top5 = float(np.mean(ranks < 1)), float(np.mean(ranks < 5))
  scores = {
      'zero_shot/accuracy': top1, 'zero_shot/mean_top1_top5': (top1 + top5) / 2,
  }
  if row.shows != 'video':
    return scores | {'pictures': len(queries)}
  found = clips.describe(queries, sampling)
  del found['rule']
  return scores | settings.sampling | found


def _class_ranks(
    towers: Towers, vectors: Float[np.ndarray, 'N J'],
    labels: Int[np.ndarray, ' N'], classes: Sequence[str],
    templates: Sequence[str],
) -> np.ndarray:
  """How many other classes come before that of each picture or video."""
  prompts = [form.format(name) for name in classes for form in templates]
  of_class = class_vectors(
      towers.embed_texts(prompts).reshape(len(classes), len(templates), -1)
  )
  right = labels[:, None] == np.arange(len(classes))
  return _ranks(vectors, of_class, right)


def label(text: str, classes: Iterable[str]) -> int:
  """The number of the one class that a text names; -1 for none or several."""
  words = re.findall(r'\w+', text.lower())
  found = [i for i, name in enumerate(classes) if name.lower() in words]
  return found[0] if len(found) == 1 else -1

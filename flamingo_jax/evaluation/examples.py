# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Examples of seqio's few-shot tasks, and a model that answers them."""

from collections.abc import Iterable, Iterator, Mapping
import itertools
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.interleaved import TokenizedDocument
from flamingo_jax.data.media import Media
from flamingo_jax.evaluation.benchmark import BEAMS
from flamingo_jax.picture_size import Lengths
from flamingo_jax.predictor.inference import Answer, Inference
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import FlamingoModel
from flamingo_jax.typing import Tree

# What the model reads; fixed shapes, so that a batch stacks them.
MODEL_FEATURES = {
    'tokens': (tf.int32, 1),  # [L] the prompt
    'media_index': (tf.int32, 1),  # [L] the medium each token sees, 0 for none
    'media': (tf.uint8, 5),  # [M T h w 3]
    'media_mask': (tf.bool, 2),  # [M T] False on padding
    'targets': (tf.int32, 1),  # [n] the candidate, or room for an answer
    'lengths': (tf.int32, 1),  # [2] tokens of the prompt and of the candidate
}
_ARRAYS = (tf.float32, 4)  # [M T P C] media of models that read features
_PROMPT = ('tokens', 'media_index', 'media', 'media_mask')
_LATENTS = 4096  # media whose latents are kept: shots come again and again

# Features of one example.
Features = Mapping[str, np.ndarray]


def model_features(arrays: bool) -> dict[str, tuple[tf.DType, int]]:
  """What the model reads: arrays, or pictures."""
  return MODEL_FEATURES | ({'media': _ARRAYS} if arrays else {})


class FeatureConverter:
  """What seqio's Evaluator and t5x ask of a feature converter.

  The tasks make what the model reads, so it picks features and does no more;
  seqio's own class would ask for a length of each feature.
  """

  TASK_FEATURES = {
      name: seqio.FeatureConverter.FeatureSpec(dtype=dtype, rank=rank)
      for name, (dtype, rank) in MODEL_FEATURES.items()
  }

  def __init__(self, pack: bool = False, use_custom_packing_ops: bool = False):
    """Takes t5x's arguments; there is nothing to pack."""
    del use_custom_packing_ops
    self.pack = pack

  def __call__(
      self, ds: tf.data.Dataset, task_feature_lengths: Lengths
  ) -> tf.data.Dataset:
    """The examples without their records."""
    del task_feature_lengths
    return ds.map(lambda example: {key: example[key] for key in MODEL_FEATURES})


class ExampleInference:
  """An Inference that answers examples as seqio's Evaluator asks for it.

  Every process has all examples, and gets all results.
  """

  def __init__(
      self,
      model: FlamingoModel,
      partitioner: Partitioner,
      batch_size: int,
      params: Tree | None = None,
  ):
    """Compiles nothing yet.

    Args:
      model: whose parameters they are.
      partitioner: splits them, and batches.
      batch_size: examples per batch over all hosts.
      params: the whole tree; None: `use` gives it.

    Raises:
      UserError: the devices don't divide the batch.
    """
    partitioner.get_data_layout(batch_size)
    self._inference = Inference(model, params, partitioner, _LATENTS)
    self._batch_size = batch_size
    self._rows = batch_size // self._inference.parts

  def use(self, params: Tree | None) -> None:
    """Takes the parameters of another step; None: forgets all."""
    self._inference.forget()
    self._inference.params = params

  def predict(self, dataset: tf.data.Dataset) -> list[tuple[int, np.ndarray]]:
    """(index, tokens[n]) of each (index, example), as seqio asks for it."""
    return [(i, tokens) for i, (tokens, _, _) in self._answer(dataset)]

  def predict_with_aux(
      self, dataset: tf.data.Dataset
  ) -> tuple[list[tuple[int, np.ndarray]], dict[str, list[float]]]:
    """`predict`, and the log-probabilities of the answers as 'scores'."""
    answers = self._answer(dataset)
    scores = [float(log_prob) for _, (_, _, log_prob) in answers]
    return [(i, tokens) for i, (tokens, _, _) in answers], {'scores': scores}

  def score(self, dataset: tf.data.Dataset) -> list[tuple[int, float]]:
    """(index, log-likelihood) of each (index, example).

    Candidates that stand side by side after the same prompt are read together,
    and their prompt once.
    """
    scores = []
    for queries in _chunks(_queries(_examples(dataset)), self._batch_size):
      firsts = [query[0][1] for query in queries]
      found = self._inference.score(
          list(map(_document, firsts)),
          [[_candidate(x) for _, x in query] for query in queries],
          **self._options(firsts[0]),
      )
      for query, row in zip(queries, found):
        scores += zip((index for index, _ in query), row.tolist())
    return scores

  def _answer(self, dataset: tf.data.Dataset) -> list[tuple[int, Answer]]:
    answers = []
    for chunk in _chunks(_examples(dataset), self._batch_size):
      indices, examples = zip(*chunk)
      answers += zip(indices, self._inference.answer(
          list(map(_document, examples)), beams=BEAMS,
          max_new_tokens=len(examples[0]['targets']),
          **self._options(examples[0]),
      ))
    return answers

  def _options(self, example: Features) -> dict[str, Any]:
    """What calls for examples like this one have in common."""
    media, frames = example['media_mask'].shape
    return {
        'batch_size': self._rows, 'shape': (len(example['tokens']), media),
        # Of what the task has read, each frame.
        'sampling': Sampling(frames, 1.0),
    }


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
  while chunk := list(itertools.islice(items, size)):
    yield chunk


def _examples(dataset: tf.data.Dataset) -> Iterator[tuple[int, Features]]:
  """(index, example) of each, one after the other."""
  for index, example in dataset.prefetch(1).as_numpy_iterator():
    yield int(index), example


def _queries(
    examples: Iterable[tuple[int, Features]],
) -> Iterator[list[tuple[int, Features]]]:
  """Examples side by side whose prompts are the same."""
  query = []
  for index, example in examples:
    if query and any(
        not np.array_equal(example[key], query[0][1][key]) for key in _PROMPT
    ):
      yield query
      query = []
    query.append((index, example))
  if query:
    yield query


def _document(example: Features) -> TokenizedDocument:
  """The prompt of an example."""
  length, index = example['lengths'][0], example['media_index']
  media = [
      _medium(frames, mask)
      for frames, mask in zip(example['media'], example['media_mask'])
      if mask.any()
  ]
  index = index[:length]
  first = [  # its end, of one that nothing sees
      np.argmax(np.append(index, i) == i) for i in range(1, len(media) + 1)
  ]
  ends = np.flatnonzero((index[:-1] > 0) & (index[1:] == 0))
  return TokenizedDocument(
      tokens=example['tokens'][:length],
      is_tag=np.zeros(length, bool),  # which only training reads
      positions=np.array(first, np.int64),
      media=tuple(media),
      next_media=False,
      ends=tuple(map(int, ends)),
  )


def _medium(frames: np.ndarray, mask: np.ndarray) -> Media:
  """Of its frames; pixels have three axes, and arrays two."""
  if frames.ndim == 3:
    return Media('features', '<example>', frames[mask])
  if len(mask) == 1:
    return Media('image', '<example>', frames[0])
  return Media('video', '<example>', frames[mask])


def _candidate(example: Features) -> list[int]:
  return example['targets'][: example['lengths'][1]].tolist()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""seqio tasks over documents: from an index to an Example (Flamingo §2.4, A.3).

A task's source yields the numbers of examples and nothing else; reading,
decoding and cutting happen afterwards, in one stateless function of the number.
So shuffling costs nothing, and reading can begin anywhere at once.
"""

from collections.abc import Callable, Mapping, Sequence
import functools
import typing
from typing import Any
import zlib

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import augmentation
from flamingo_jax.data import exit_guard
from flamingo_jax.data import global_order
from flamingo_jax.data import interleaved
from flamingo_jax.data import streams
from flamingo_jax.data.document_source import LENGTHS, UNSHUFFLED
from flamingo_jax.data.document_source import DocumentSource, Splits
from flamingo_jax.data.unreadable import Unreadable
from flamingo_jax.data.vocabulary import LoadVocabulary, default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, Lengths, PictureSize, frame_size
from flamingo_jax.typing import Example

# `Example` as seqio features. Their vocabulary is seqio's pass-through one, so
# any two tasks go into one mixture.
_OF_PICTURES = {
    'tokens': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'targets': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'loss_weights': seqio.ContinuousFeature(dtype=tf.float32, rank=1),
    'media_index': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'media': seqio.ContinuousFeature(dtype=tf.uint8, rank=5),
    'media_mask': seqio.ContinuousFeature(dtype=tf.bool, rank=2),
    'example_id': seqio.ContinuousFeature(dtype=tf.int32, rank=0),
}
assert set(_OF_PICTURES) == set(typing.get_type_hints(Example))
# [M T P C] of arrays.
_ARRAYS = seqio.ContinuousFeature(dtype=tf.float32, rank=4)


def output_features(arrays: bool) -> dict[str, seqio.ContinuousFeature]:
  """`Example` as seqio features; of arrays, or of pictures."""
  return _OF_PICTURES | ({'media': _ARRAYS} if arrays else {})


def has_arrays(lengths: Mapping[str, Any]) -> bool:
  """Whether the media of examples of such lengths are arrays, no pictures."""
  return isinstance(lengths.get('image_size'), ArraySize)


def add_task(
    name: str,
    splits: Splits,
    *,
    vocabulary: LoadVocabulary = default_vocabulary,
    p_next: float = 0.0,
    p_space: float = 0.0,
    augment: str = '',
    replace_unreadable: bool = False,
    arrays: bool = False,
) -> seqio.Task:
  """Registers documents as a seqio task, in the place of one of that name.

  The lengths of its examples come with each use of the task, as seqio's
  `sequence_length`: {'tokens': L, 'media': M, 'frames': T, 'image_size': h},
  where 'frames' may be left out if it is 1. Pictures are square; a PictureSize
  says how they become so, and where it is an ArraySize, media are arrays.

  Shuffled, a document meets another window, clip, p_next and space in every
  epoch; these draws are a function of (seed, task, epoch, place) alone.
  Unshuffled, nothing is drawn: the same examples in the order of the source, or,
  in batches of documents of several files, of each stretch (`global_order`).

  Args:
    name: letters, digits, '_', '.', ':' and '#'.
    splits: for each split a function that returns its documents: anything with
      a length and an index. It is called when the split is first read.
    vocabulary: returns the tokenizer; called when the task is first read.
    p_next: how often text looks at the next medium instead of the previous one
      (Flamingo A.3.2; 0.5 for web pages).
    p_space: how often a space comes before the text (B.1.2; 0.5 for captions).
    augment: changes the colours of pictures at random, and for 'flipped' turns
      left and right (B.1.2; not for texts that tell them apart), for 'moved'
      shifts, scales and turns them a little; '' for nothing.
    replace_unreadable: a document that cannot be read is counted and told, and
      another takes its place; otherwise it ends the run.
    arrays: whether media are features and no pictures.
  """
  if arrays and augment:
    raise UserError(
        f'augment of task {name!r} is {augment!r}, which changes pictures, and '
        'its media are features: leave it out'
    )
  source = DocumentSource(name, splits, vocabulary)
  source.augments = augmentation.get(augment) is not None
  if replace_unreadable:
    source.unreadable = Unreadable(name)

  def make(found, lengths, rng):
    (document,) = found
    return interleaved.make_example(
        document,
        length=lengths['tokens'],
        max_media=lengths['media'],
        frames=lengths['frames'],
        image_size=lengths['image_size'],
        vocabulary=source.vocabulary,
        rng=rng,
        p_next=float(p_next),
        p_space=float(p_space),
        augment=augment,
    )

  return register(name, source, output_features(arrays), example_shapes, make)


def register(
    name: str,
    source: DocumentSource,
    output_features: Mapping[str, seqio.ContinuousFeature],
    shapes: Callable[[Lengths], Mapping[str, tuple[int, ...]]],
    make: Callable[..., Mapping[str, np.ndarray]],
) -> seqio.Task:
  """Registers a task, in the place of one of that name.

  Args:
    name: as for `add_task`.
    source: of documents.
    output_features: of an example.
    shapes: from complete lengths to the shape of each feature.
    make: from (documents, lengths, rng) to an example; rng is None if nothing
      is to be drawn. It gets as many documents as the length 'documents' says,
      one if there is no such length, fewer at the end of an epoch.
  """
  read = functools.partial(
      _read_examples,
      name=name,
      source=source,
      output_features=output_features,
      shapes=shapes,
      make=make,
  )
  return replace_task(name, source, read, output_features)


def replace_task(
    name: str,
    source: DocumentSource,
    read: Callable[..., tf.data.Dataset],
    output_features: Mapping[str, seqio.ContinuousFeature | seqio.Feature],
    **options: Any,
) -> seqio.Task:
  """Registers a task with one preprocessor, in the place of one of that name.

  `read` maps (dataset of the source, sequence_length) to examples; options are
  more arguments of seqio's.
  """
  seqio.TaskRegistry.remove(name)
  return seqio.TaskRegistry.add(
      name,
      source=source,
      preprocessors=[read],
      output_features=output_features,
      shuffle_buffer_size=None,
      **options,
  )


def add_mixture(name: str, weights: Mapping[str, float]) -> seqio.Mixture:
  """Registers a mixture of tasks whose rates are the λ of their losses."""
  seqio.MixtureRegistry.remove(name)
  return seqio.MixtureRegistry.add(name, list(weights.items()))


def check_lengths(
    name: str,
    lengths: Mapping[str, Any] | None,
    example: Lengths = LENGTHS,
) -> dict[str, int | ArraySize]:
  """Completes the lengths of a task's examples.

  Raises:
    UserError: one of those of `example` is missing, or one is unknown or not a
      positive number.
  """
  defaults = {'frames': 1} if 'frames' in example else {}
  lengths = defaults | dict(lengths or {})
  known = tuple(example)
  wrong = [key for key in known if key not in lengths]
  wrong += [key for key in lengths if key not in known]
  sizes = (int, PictureSize)
  wrong += [
      key for key, n in lengths.items()
      if not (type(n) in sizes and n > 0 or isinstance(n, ArraySize))
  ]
  if wrong:
    raise UserError(
        f'task_feature_lengths of {name!r} are wrong at {wrong[0]!r}: they are '
        f'{lengths}, but must be positive integers like {dict(example)}'
    )
  return lengths


def example_shapes(lengths: Lengths) -> dict[str, tuple[int, ...]]:
  """The shape of each feature of an Example of these (complete) lengths."""
  text = (lengths['tokens'],)
  frames = (lengths['media'], lengths['frames'])
  return {
      'tokens': text,
      'targets': text,
      'loss_weights': text,
      'media_index': text,
      'media': (*frames, *frame_size(lengths['image_size']).shape),
      'media_mask': frames,
      'example_id': (),
  }


def call(
    read: Callable[..., tuple[Any, ...]],
    arguments: Sequence[tf.Tensor],
    dtypes: Mapping[str, tf.DType],
    shapes: Mapping[str, tuple[int | None, ...]],
) -> dict[str, tf.Tensor]:
  """The example that a stateless function returns, its features in order."""
  values = tf.numpy_function(
      exit_guard.READS.guard(read), arguments, [*dtypes.values()],
      stateful=False,
  )
  return {
      key: tf.ensure_shape(value, shapes[key])
      for key, value in zip(dtypes, values, strict=True)
  }


def _read_examples(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, Any] | None,
    *,
    name: str,
    source: DocumentSource,
    output_features: Mapping[str, seqio.ContinuousFeature],
    shapes: Callable[[Lengths], Mapping[str, tuple[int, ...]]],
    make: Callable[..., Mapping[str, np.ndarray]],
) -> tf.data.Dataset:
  """seqio preprocessor: numbers to examples; seqio may have repeated them."""
  lengths = check_lengths(name, sequence_length, source.lengths)
  each = lengths.get('documents', 1)
  dtypes = {key: feature.dtype for key, feature in output_features.items()}
  of_feature = shapes(lengths)
  blank = streams.blank({
      key: tf.TensorSpec(of_feature[key], dtype)
      for key, dtype in dtypes.items()
  })

  def read(split, number, stretches, repetition, seed):
    documents = source.documents(split.decode())
    order = global_order.GlobalOrder(len(documents), each, int(stretches))
    place = order.find(int(number))
    if place is None:
      return tuple(blank.values())
    epoch, seed = place.epoch + each * int(repetition), int(seed)

    def make_attempt(attempt):
      at, key, rng = place, None, None
      if attempt:
        at = order.instead(place, attempt)
      if seed != UNSHUFFLED:
        key = (seed, zlib.crc32(name.encode()), epoch)
        # In another's place a document is not drawn as in its own.
        draw = (at.index * order.stretches + at.stretch,)
        draw += (attempt,) * bool(attempt)
        rng = np.random.default_rng((*key, *draw))
      found = [documents[i] for i in order.documents(at, key)]
      return make(found, lengths, rng)

    if source.unreadable:
      example = source.unreadable.make(make_attempt)
    else:
      example = make_attempt(0)
    return tuple(example[feature] for feature in output_features)

  @tf.autograph.experimental.do_not_convert
  def load(count, at):
    repetition = count // at['length']
    at = [at['split'], at['number'], at['stretches'], repetition, at['seed']]
    return call(read, at, dtypes, of_feature)

  # The count goes on through the epochs that seqio's repeat strings together.
  return streams.in_parallel(dataset.enumerate(), load)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""seqio tasks of interleaved documents, several of them in a row.

Captions differ in length, and a row that holds one of them is mostly padding. A
row of several documents has the loss and the gradient that they have in rows of
their own: text sees its own document and its media alone.
  segments     1     1       1 1     2     2       2 2     0
  tokens       <BOS> <image> A goat  <BOS> <image> A plum  .
  media_index  0     1       1 1     0     2       2 2     0
"""

from collections.abc import Sequence

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import augmentation
from flamingo_jax.data import features
from flamingo_jax.data import interleaved
from flamingo_jax.data.document_source import LENGTHS as OF_A_DOCUMENT
from flamingo_jax.data.document_source import DocumentSource, Splits
from flamingo_jax.data.documents import Document
from flamingo_jax.data.vocabulary import (
    LoadVocabulary, Vocabulary, default_vocabulary,
)
from flamingo_jax.picture_size import FrameSize, Lengths, frame_size
from flamingo_jax.typing import Example

LENGTHS = {**OF_A_DOCUMENT, 'documents': 8}


def add_task(
    name: str,
    splits: Splits,
    *,
    vocabulary: LoadVocabulary = default_vocabulary,
    p_next: float = 0.0,
    p_space: float = 0.0,
    augment: str = '',
    arrays: bool = False,
) -> seqio.Task:
  """Registers documents as a task of packed rows, in the place of one.

  The lengths of its examples come with each use, as seqio's `sequence_length`:
  {'tokens': L, 'media': M, 'frames': T, 'image_size': h, 'documents': n}, all
  of a row. A row takes the next n documents, so an epoch is as many rows as
  that needs. So n times the usual length should be a little below L: a document
  that its row has no room for is left out, and in the next epoch meets others
  (`Misfits.share_without_room`). Arguments are those of `features.add_task`.
  """
  source = DocumentSource(name, splits, vocabulary, LENGTHS)
  source.augments = augmentation.get(augment) is not None

  def make(found, lengths, rng):
    return pack(
        found,
        length=lengths['tokens'],
        max_media=lengths['media'],
        frames=lengths['frames'],
        image_size=lengths['image_size'],
        count=lengths['documents'],
        vocabulary=source.vocabulary,
        rng=rng,
        p_next=float(p_next),
        p_space=float(p_space),
        augment=augment,
    )

  return features.register(
      name, source, output_features(arrays), example_shapes, make
  )


def output_features(arrays: bool) -> dict[str, seqio.ContinuousFeature]:
  """Those of `features.output_features`, of a row of several documents."""
  return {
      **features.output_features(arrays),
      'segments': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
      'example_id': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
  }


def pack(
    docs: Sequence[Document],
    *,
    length: int,
    max_media: int,
    frames: int,
    image_size: int | FrameSize,
    count: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None,
    p_next: float = 0.0,
    p_space: float = 0.0,
    augment: str = '',
) -> Example:
  """One row of the documents, in their order, but for those that don't fit.

  Args:
    docs: documents, `count` at most.
    length: tokens of the row (L).
    max_media: media of the row (M).
    frames: T of each medium.
    image_size: h and w, pixels.
    count: documents of the row (n).
    vocabulary: of the language model.
    rng: as of `interleaved.make_example`, likewise p_next, p_space and augment.

  Returns:
    The arrays of typing.Example, and 'segments' int32[L], from 1, 0 on padding;
    'example_id' is int32[n], -1 where there is none.

  Raises:
    UserError: a medium cannot be read; the message begins with doc.source.
  """
  size = frame_size(image_size)
  row = {
      'tokens': np.full(length, vocabulary.pad_id, np.int32),
      'targets': np.full(length, vocabulary.pad_id, np.int32),
      'loss_weights': np.zeros(length, np.float32),
      'media_index': np.zeros(length, np.int32),
      'segments': np.zeros(length, np.int32),
      'media': np.zeros((max_media, frames, *size.shape), size.dtype),
      'media_mask': np.zeros((max_media, frames), bool),
      'example_id': np.full(count, -1, np.int32),
  }
  begin = first = 0
  for place, doc in enumerate(docs):
    seen = interleaved.draw_window(
        doc, length, max_media, vocabulary, rng, p_next, p_space
    )
    end, behind = begin + len(seen.tokens) - 1, first + len(seen.media)
    if end > length or behind > max_media:
      continue
    index = seen.media_index[:-1]
    row['tokens'][begin:end] = seen.tokens[:-1]
    row['targets'][begin:end] = seen.tokens[1:]
    row['loss_weights'][begin:end] = ~seen.is_tag[1:]
    row['media_index'][begin:end] = np.where(index, index + first, 0)
    row['segments'][begin:end] = place + 1
    row['example_id'][place] = doc.example_id
    row['media'][first:behind], row['media_mask'][first:behind] = (
        interleaved.load_media(
            doc.source, seen.media, len(seen.media), frames, image_size, rng,
            augment,
        )
    )
    begin, first = end, behind
  return row


def example_shapes(lengths: Lengths) -> dict[str, tuple[int, ...]]:
  """The shape of each feature of a row of these (complete) lengths."""
  return {
      **features.example_shapes(lengths),
      'segments': (lengths['tokens'],),
      'example_id': (lengths['documents'],),
  }

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""seqio tasks over text, packed: what a language model is trained on.

A row of an example holds several documents side by side, each <BOS> text <EOS>
of a segment number of its own; 0 is padding:
  tokens    <BOS> a  b <BOS> c  d  e  .
  targets   a     b <EOS> c  d  e <EOS> .
  segments  1     1  1  2  2  2  2  0
"""

from collections.abc import Sequence
from typing import Mapping, TypedDict

from flamingo_jax.data import quiet_tensorflow

quiet_tensorflow.load()  # before anything else imports TensorFlow

import numpy as np
import seqio
import tensorflow as tf

from flamingo_jax.data import features
from flamingo_jax.data.document_source import DocumentSource, Splits
from flamingo_jax.data.documents import Document, Text
from flamingo_jax.data.vocabulary import (
    LoadVocabulary, Vocabulary, default_vocabulary,
)

# `TextExample` as seqio features.
OUTPUT_FEATURES = {
    'tokens': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'targets': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'loss_weights': seqio.ContinuousFeature(dtype=tf.float32, rank=1),
    'segments': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
    'example_id': seqio.ContinuousFeature(dtype=tf.int32, rank=1),
}
LENGTHS = {'tokens': 2048, 'documents': 4}


class TextExample(TypedDict):
  """One row of packed documents as numpy arrays."""

  tokens: np.ndarray  # int32[L]
  targets: np.ndarray  # int32[L], tokens shifted by one
  loss_weights: np.ndarray  # float32[L], 0 on padding
  segments: np.ndarray  # int32[L], from 1; 0 on padding
  example_id: np.ndarray  # int32[documents], -1 where there is none


def add_task(
    name: str,
    splits: Splits,
    *,
    vocabulary: LoadVocabulary = default_vocabulary,
) -> seqio.Task:
  """Registers documents as a task of packed text, in the place of one.

  Media of the documents are left out; texts are str, or `documents.Text` with a
  weight of its own. The lengths of its examples come with each use, as seqio's
  `sequence_length`: {'tokens': L, 'documents': n}. A row takes the next n
  documents, so an epoch is as many rows as that needs; what is beyond L tokens
  is cut off. So n times the usual length should be about L.

  Shuffled, documents meet in other rows in every epoch, and one that is longer
  than L gives another window. Arguments are those of `features.add_task`.
  """
  source = DocumentSource(name, splits, vocabulary, LENGTHS)

  def make(found, lengths, rng):
    return pack(
        found, lengths['tokens'], lengths['documents'], source.vocabulary, rng
    )

  return features.register(name, source, OUTPUT_FEATURES, example_shapes, make)


def pack(
    found: Sequence[Document],
    length: int,
    count: int,
    vocabulary: Vocabulary,
    rng: np.random.Generator | None,
) -> TextExample:
  """One row of L = `length` tokens of the documents, in their order.

  Of at most `count` documents those that don't fit are left out. rng draws the
  window of a document of more than L tokens; None: its beginning.
  """
  rows = {
      'tokens': np.full(length, vocabulary.pad_id, np.int32),
      'targets': np.full(length, vocabulary.pad_id, np.int32),
      'loss_weights': np.zeros(length, np.float32),
      'segments': np.zeros(length, np.int32),
  }
  example_id = np.full(count, -1, np.int32)
  begin = 0
  for segment, document in enumerate(found, 1):
    if begin == length:
      break
    tokens, weights = tokenize(document, vocabulary)
    spare = len(tokens) - 1 - length
    start = int(rng.integers(spare + 1)) if rng is not None and spare > 0 else 0
    end = min(begin + len(tokens) - 1 - start, length)
    stop = start + end - begin
    rows['tokens'][begin:end] = tokens[start:stop]
    rows['targets'][begin:end] = tokens[start + 1 : stop + 1]
    rows['loss_weights'][begin:end] = weights[start + 1 : stop + 1]
    rows['segments'][begin:end] = segment
    example_id[segment - 1] = document.example_id
    begin = end
  return rows | {'example_id': example_id}


def tokenize(
    document: Document, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
  """(int32[n] <BOS> text <EOS>, float32[n] weights of the loss of each).

  The texts of the document are one text; a token has the weight of the part
  that its last character is of, <EOS> that of the last part.
  """
  texts, weights = [], []
  for part in document.parts:
    if isinstance(part, (str, Text)):
      texts.append(part if isinstance(part, str) else part.text)
      weights.append(1.0 if isinstance(part, str) else part.weight)
  ids, ends = vocabulary.encode_with_ends(''.join(texts))
  edges = np.cumsum([len(text.encode()) for text in texts])
  of_token = np.searchsorted(edges, ends, side='left')
  return (
      np.array([vocabulary.bos_id, *ids, vocabulary.eos_id], np.int32),
      np.array([1.0, *np.take(weights, of_token), weights[-1]], np.float32),
  )


def example_shapes(
    lengths: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
  """The shape of each feature of a TextExample of these lengths."""
  text = (lengths['tokens'],)
  return {
      'tokens': text, 'targets': text, 'loss_weights': text, 'segments': text,
      'example_id': (lengths['documents'],),
  }

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our vocabulary behind seqio's interface."""

import numpy as np
import pytest
import tensorflow as tf

from flamingo_jax.data.seqio_vocabulary import SeqioVocabulary
from flamingo_jax.data.vocabulary import default_vocabulary, train_vocabulary


@pytest.fixture
def vocabulary():
  return SeqioVocabulary(default_vocabulary)


def test_an_answer_is_what_comes_before_the_first_eoc(vocabulary):
  encode, end = default_vocabulary().encode, default_vocabulary().eoc_id
  ids = [*encode(' a red star '), end, *encode('Question: more?'), end]
  assert vocabulary.decode(ids) == 'a red star'
  assert vocabulary.decode(encode(' two')) == 'two'
  assert vocabulary.decode([end]) == ''


def test_tensors_are_decoded_alike(vocabulary):
  encode, end = default_vocabulary().encode, default_vocabulary().eoc_id
  text = encode(' a star')
  rows = np.full((2, len(text) + 3), end, np.int32)
  rows[0, : len(text)] = text
  texts = vocabulary.decode_tf(tf.constant(rows)).numpy().tolist()
  assert texts == [b'a star', b'']
  assert vocabulary.decode_tf(tf.constant(rows[0])).numpy() == b'a star'
  assert vocabulary.encode_tf(tf.constant(' a star')).numpy().tolist() == text


def test_equal_if_the_model_is_the_same(vocabulary, tmp_path):
  path = tmp_path / 'other.model'
  other = train_vocabulary(['a b c'] * 50, path, 400)
  assert vocabulary == SeqioVocabulary(default_vocabulary)
  assert vocabulary != SeqioVocabulary(lambda: other)


def test_the_tokenizer_is_loaded_when_it_is_needed():
  loaded = []
  vocabulary = SeqioVocabulary(
      lambda: loaded.append(1) or default_vocabulary()
  )
  assert not loaded
  assert vocabulary.vocab_size == vocabulary.eos_id + 1
  assert loaded == [1]

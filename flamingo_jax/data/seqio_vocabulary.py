# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Our Vocabulary for seqio and t5x: answers end at <EOC>."""

from collections.abc import Callable, Iterable, Sequence
import functools
from typing import Any, SupportsInt

import seqio
import tensorflow as tf

from flamingo_jax.data.vocabulary import Vocabulary


class SeqioVocabulary(seqio.Vocabulary):
  """Turns predicted tokens into text: up to the first <EOC>, stripped.

  The tokenizer is loaded when it is first needed, so that registering a task
  reads no file. Two are equal if their SentencePiece models are.
  """

  def __init__(self, load: Callable[[], Vocabulary]):
    super().__init__()
    self._load = load

  @functools.cached_property
  def vocabulary(self) -> Vocabulary:
    """The tokenizer itself."""
    return self._load()

  @property
  def bos_id(self) -> int:
    return self.vocabulary.bos_id

  @property
  def eos_id(self) -> int:
    return self.vocabulary.eoc_id

  @property
  def pad_id(self) -> int:
    return self.vocabulary.pad_id

  @property
  def unk_id(self) -> int | None:
    return None  # the model cannot say an id that it does not have

  @property
  def _base_vocab_size(self) -> int:
    return self.vocabulary.size

  def _encode(self, s: str) -> Sequence[int]:
    return self.vocabulary.encode(s)

  def _decode(self, ids: Iterable[SupportsInt]) -> str:
    return self.vocabulary.decode(ids).strip()

  def _encode_tf(self, s: Any) -> tf.Tensor:
    encode = lambda text: tf.constant(
        self.encode(text.numpy().decode()), tf.int32
    )
    return tf.ensure_shape(tf.py_function(encode, [s], tf.int32), [None])

  def decode_tf(self, ids: Any) -> tf.Tensor:
    """Text of int32[n], or of each row of int32[B n]."""

    def decode(ids):
      if ids.ndim == 1:
        return tf.constant(self.decode(ids.numpy()))
      return tf.constant([self.decode(row) for row in ids.numpy()])

    return tf.py_function(decode, [ids], tf.string)

  def _decode_tf(self, ids: Any) -> tf.Tensor:
    return self.decode_tf(ids)

  def __eq__(self, other: object) -> bool:
    return (
        isinstance(other, SeqioVocabulary)
        and self.vocabulary == other.vocabulary
    )

  def __hash__(self) -> int:
    return hash(self.vocabulary)

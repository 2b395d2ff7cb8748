# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens of an answer to its text, as they come."""

from collections.abc import Iterable, Sequence
from typing import SupportsInt

import numpy as np

from flamingo_jax.data.vocabulary import Vocabulary

# Of the prompt, by which the spaces of some vocabularies are told: some leave
# one out in front of the first token they decode.
_TAIL = 8


class AnswerText:
  """The text of an answer, piece by piece, up to the first of some texts.

  No piece ends within a character, and none holds a part of what may become one
  of the texts at which it ends. All pieces together are the whole answer.
  """

  def __init__(
      self, vocabulary: Vocabulary, prompt: Sequence[int] | np.ndarray,
      stops: Sequence[str] = (),
  ):
    """Begins behind the tokens of a prompt.

    Args:
      vocabulary: of the model.
      prompt: tokens; the last few do.
      stops: texts at which the answer ends; they are no part of it.
    """
    self.has_stopped = False
    self._vocabulary = vocabulary
    self._stops = [stop for stop in stops if stop]
    self._tail = [int(i) for i in prompt[-_TAIL:]]
    self._before = vocabulary.decode(self._tail)
    self._tokens: list[int] = []
    self._given = ''

  @property
  def text(self) -> str:
    """All pieces so far."""
    return self._given

  def add(self, tokens: Iterable[SupportsInt], is_last: bool = False) -> str:
    """The text that tokens add; of the last ones, whatever is left."""
    if self.has_stopped:
      return ''
    self._tokens += map(int, tokens)
    text = self._vocabulary.decode(self._tail + self._tokens)
    # Of the characters of the prompt, the last may have been half.
    text = text[len(self._before.rstrip('\N{REPLACEMENT CHARACTER}')) :]
    found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
    if found:
      self.has_stopped = True
      text = text[: min(found)]
    elif not is_last:
      text = text[: self._certain(text)]
    new = text[len(self._given) :]
    self._given += new
    return new

  def _certain(self, text: str) -> int:
    """How much of a text stays as it is whatever comes."""
    end = len(text.rstrip('\N{REPLACEMENT CHARACTER}'))
    if len(text) - end > 3:  # no half of a character has as many bytes
      end = len(text)
    for stop in self._stops:
      for size in range(min(len(stop) - 1, end), 0, -1):
        if text.endswith(stop[:size], 0, end):
          end -= size
          break
    return max(end, len(self._given))

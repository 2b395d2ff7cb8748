# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Text that comes in pieces is whole in the end, and never half a character."""

import pytest

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.predictor.answer_text import AnswerText

VOCABULARY = default_vocabulary()


@pytest.mark.parametrize('text', [
    ' a small cat', ' \N{SNOWMAN} caf\xe9 \U0001f431\U0001f436', 'x\n\ny  z ',
])
@pytest.mark.parametrize('prompt', ['', 'Output:', '\U0001f431'])
def test_pieces_are_the_text(text, prompt):
  answer = AnswerText(VOCABULARY, VOCABULARY.encode(prompt))
  pieces = [answer.add([token]) for token in VOCABULARY.encode(text)]
  assert not any('\N{REPLACEMENT CHARACTER}' in piece for piece in pieces)
  assert ''.join(pieces) + answer.add([], is_last=True) == text == answer.text


def test_it_ends_in_front_of_a_stop_however_that_is_cut():
  text = ' a cat\nUser: no'
  for stops in (['\nUser:'], ['zebra', 't\nU', '\nUser: n']):
    answer = AnswerText(VOCABULARY, [], stops)
    found = ''
    for token in VOCABULARY.encode(text):
      found += answer.add([token])
      assert not any(stop[:1] in found for stop in stops if stop in text)
    assert answer.has_stopped
    assert found == min(
        (text[: text.index(stop)] for stop in stops if stop in text), key=len
    )
  # What only began like one is told in the end.
  answer = AnswerText(VOCABULARY, [], ['\nUser:'])
  tokens = VOCABULARY.encode(' a\nUs')
  assert ''.join(answer.add([token]) for token in tokens) == ' a'
  assert answer.add([], is_last=True) == '\nUs'


def test_bytes_that_are_no_character_come_in_the_end():
  broken = VOCABULARY.encode('\U0001f431')[:-1]
  answer = AnswerText(VOCABULARY, [])
  assert answer.add(broken) == ''
  assert answer.add([], is_last=True)

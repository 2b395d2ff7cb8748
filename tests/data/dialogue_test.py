# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Turns as one prompt."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.dialogue import Dialogue, paper_examples

PICTURES = [fj.image(np.full((4, 4, 3), i, np.uint8)) for i in range(3)]


def test_the_papers_prompt():
  kitten, dinner, graph = PICTURES
  turns = [*paper_examples(PICTURES), ('user', ['What do the axes show?'])]
  told = Dialogue().parts(turns)
  shown = ''.join(
      part if isinstance(part, str) else f'<{PICTURES.index(part)}>'
      for part in told
  )
  # Flamingo B.1.6, with a question at the end.
  assert shown == '''\
This is a conversation between a human, User, and an intelligent visual AI, \
Flamingo. User sends images, and Flamingo describes them.
User: <0>
Flamingo: That is a cat. It's a tiny kitten with really cute big ears.
User: <1>
Flamingo: This is a picture of a group of people having dinner. They are having \
a great time!
User: Can you guess what are they celebrating?
Flamingo: They might be celebrating the end of a successful project or maybe a \
birthday?
User: <2>
Flamingo: This is a graph, it looks like a cumulative density function graph.
User: What do the axes show?
Flamingo:'''


def test_the_system_takes_the_instructions_place():
  told = Dialogue().parts([
      ('system', ['Answer in one word.']), ('user', ['Hi', PICTURES[0]]),
      ('assistant', [' Hello']), ('user', ['?']),
  ])
  assert told == [
      'Answer in one word.\n', 'User: Hi', PICTURES[0], '\nFlamingo: Hello',
      '\nUser: ?', '\nFlamingo:',
  ]


def test_a_turn_of_a_maker_ends_with_its_entry():
  told = Dialogue('', 'User:', 'Assistant:', '\n', True, ()).parts([
      ('user', [PICTURES[0], 'Who?']), ('assistant', ['Idefix']), ('user', ['Ah']),
  ])
  assert told == [
      'User: ', PICTURES[0], 'Who?', fj.END_OF_CHUNK, '\nAssistant: Idefix',
      fj.END_OF_CHUNK, '\nUser: Ah', fj.END_OF_CHUNK, '\nAssistant:',
  ]


@pytest.mark.parametrize('turns, words', [
    ([('tool', ['x'])], "message 1 is of 'tool'"),
    ([('user', ['x']), ('system', ['y'])], "message 2 is of 'system'"),
    ([('system', [PICTURES[0]]), ('user', ['x'])], "'system' says is text"),
])
def test_what_is_no_dialogue_is_told(turns, words):
  with pytest.raises(fj.UserError, match=words):
    Dialogue().parts(turns)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations: each answer is the one to the whole prompt read at once."""

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.dialogue import Dialogue
from flamingo_jax.predictor import inference

RNG = np.random.default_rng(5)
CAT, DOG, FISH = (
    fj.image(RNG.integers(0, 256, (20, 30, 3), np.uint8)) for _ in range(3)
)
CLIP = fj.video(RNG.integers(0, 256, (3, 20, 30, 3), np.uint8))
CANDIDATES = ['a cat', 'yes', 'no']
# A picture in the first turn, an old one spoken of, a new one and a video late.
TURNS = (
    [CAT, 'Output:'], ['a small dog'], ['?'], [DOG, 'Output:'],
    [FISH, 'a', CLIP, 'Output:'], ['the'],
)
NEW = {'max_new_tokens': 3}


@pytest.fixture
def read(model, monkeypatch):
  """The parts that are read, (start, stop) in tokens."""
  found, plan = [], inference.reading.parts

  def parts(*args):
    for part in plan(*args):
      found.append((part.start, part.stop))
      yield part

  monkeypatch.setattr(inference.reading, 'parts', parts)
  return found


def test_answers_are_those_to_the_whole_prompt(model, read):
  session = model.session()
  for number, turn in enumerate(TURNS):
    prompt = [*session.parts, *turn]
    read.clear()
    said = session.say(turn, **NEW)
    assert said == model.generate(prompt, **NEW)
    assert session.parts[: len(prompt)] == prompt
    # What has been read before is not read again, but for what was answered.
    ((start, stop),) = read
    assert (start > 0) == (number > 0) and stop - start < 30
    np.testing.assert_allclose(
        session.score(CANDIDATES), model.score(session.parts, CANDIDATES),
        rtol=1e-5, atol=1e-5,
    )
  # What was seen matters: the same words about other pictures.
  other = [DOG if part is CAT else part for part in session.parts]
  moved = model.score(other, CANDIDATES) - session.score(CANDIDATES)
  assert np.abs(moved).max() > 1e-3


def test_a_copy_and_what_is_taken_back_go_their_own_ways(model, read):
  session = model.session([CAT, 'a cat'])
  session.say([DOG, 'Output:'], **NEW)
  copy, before = session.fork(), session.parts
  read.clear()
  one = copy.say([FISH, 'Output:'], **NEW)
  assert read[0][0] > 0
  assert session.parts == before
  assert one == model.generate([*before, FISH, 'Output:'], **NEW)
  session.say(['no'], **NEW)
  assert session.undo() and session.parts == before
  assert session.say([FISH, 'Output:'], **NEW) == one
  while session.undo():
    pass
  assert session.parts == [CAT, 'a cat']


def test_pieces_are_the_answer_and_end_where_they_are_told(model):
  prompt, options = [CAT, 'Output:'], {'max_new_tokens': 12}
  whole = model.generate(prompt, **options)
  session = model.session()
  pieces = list(session.stream(prompt, **options))
  assert ''.join(pieces).strip() == whole and len(pieces) > 1
  stop = whole[3:6]
  session = model.session()
  said = session.say(prompt, stops=[stop], **options)
  assert said == whole[: whole.index(stop)].strip()
  # Closed in the middle, what came so far has been said.
  session = model.session()
  stream = session.stream(prompt, **options)
  first = next(stream)
  stream.close()
  assert session.turns[-1] == ('assistant', [first])
  drawn = {'temperature': 1.0, 'seed': 3, **options}
  assert model.session().say(prompt, **drawn) == model.generate(prompt, **drawn)


def test_a_longer_conversation_gets_more_room(model, read):
  session = model.session()
  session.say(['a'], **NEW)
  rooms = {session._reading.room}
  for _ in range(6):
    prompt = [*session.parts, 'the cat and']
    assert session.say(['the cat and'], **NEW) == model.generate(prompt, **NEW)
    rooms.add(session._reading.room)
  assert len(rooms) <= 2
  with pytest.raises(fj.UserError, match='the model reads 64 tokens'):
    session.say(['a cat ' * 40])
  assert session.parts == [*prompt, *session.turns[-1][1]]


def test_turns_are_written_as_the_dialogue_says(model):
  session = model.session(
      dialogue=Dialogue(instruction='Hi.\n'), turns=[('system', ['Be kind.'])]
  )
  said = session.say([CAT, 'Is it?'], **NEW)
  assert said == model.generate(
      ['Be kind.\n', 'User: ', CAT, 'Is it?', '\nFlamingo:'], **NEW
  )
  assert session.turns[0] == ('system', ['Be kind.'])
  assert session.undo() and not session.undo()
  assert 'image 1' in model.session([CAT, 'a']).explain()


@pytest.mark.parametrize('parts, words', [
    ([], 'no prompt'), ([''], 'is empty'), ([3], 'holds 3'),
    ([['a'], ['b']], 'one list of parts'),
])
def test_what_cannot_be_said_is_told_and_leaves_no_trace(model, parts, words):
  session = model.session()
  with pytest.raises(fj.UserError, match=words):
    session.say(parts)
  assert not session.turns

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot prompts: their parts, their shots, and who is asked."""

import collections

import pytest

from flamingo_jax.data import interleaved
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation.prompts import Sample
from tests import forked
from tests.evaluation.conftest import QUERIES, SUPPORTS, make_prompt, sample

QUERY = QUERIES[3]


def prompt_of(shots, text_only_at_zero=True):
  return make_prompt(QUERY, SUPPORTS, shots, 0, text_only_at_zero)


def test_shots_come_with_media_and_answers_and_the_query_is_open():
  first, second = prompts.choose_shots(QUERY, SUPPORTS, 2, seed=0)
  parts = prompt_of(2)
  end = END_OF_CHUNK
  assert parts == [
      *first.media, f'{first.text} ', first.answers[0], end,
      *second.media, f'{second.text} ', second.answers[0], end,
      *QUERY.media, QUERY.text,
  ]
  tokens = interleaved.tokenize_document(
      parts, default_vocabulary(), close=False
  )
  assert tokens.media == first.media + second.media + QUERY.media
  eoc = default_vocabulary().eoc_id
  chunks = ''.join('|' if t == eoc else '.' for t in tokens.tokens).split('|')
  assert len(chunks) == 3 and all(chunks)  # one <EOC> after each shot


def test_zero_shots_are_two_texts_and_the_query_s_medium_alone():
  first, second = prompts.choose_shots(QUERY, SUPPORTS, 2, seed=0)
  parts = prompt_of(0)
  assert prompts.as_text(parts) == (
      f'{first.text} {first.answers[0]}<EOC>'
      f'{second.text} {second.answers[0]}<EOC><image>{QUERY.text}'
  )
  tokens = interleaved.tokenize_document(
      parts, default_vocabulary(), close=False
  )
  assert tokens.media == QUERY.media
  seen = tokens.media_index
  assert not seen[: tokens.positions[0]].any()
  assert seen[tokens.positions[0] :].all()
  assert (tokens.tokens == default_vocabulary().eoc_id).sum() == 2


def test_zero_shots_of_a_close_ended_task_are_the_query_alone():
  assert prompt_of(0, False) == [*QUERY.media, QUERY.text]


def test_a_sample_without_a_prompt_text_is_answered_after_its_medium():
  bare = prompts.Sample(QUERY.media, '', ('a cat',), 'bare', 1)
  parts = make_prompt(bare, [bare, SUPPORTS[0]], 1, 0, True)
  assert parts[-1] is QUERY.media[0]
  shown = make_prompt(QUERY, [bare], 1, 0, True)
  assert shown[1] == 'a cat'


def test_shots_are_those_of_the_id_and_the_seed():
  chosen = lambda query, seed: [
      shot.example_id
      for shot in prompts.choose_shots(query, SUPPORTS, 4, seed)
  ]
  # Fixed for ever: records name shots, and have to lead to the same ones.
  assert chosen(QUERIES[0], 0) == [8, 5, 1, 2]
  assert chosen(QUERIES[1], 0) == [2, 5, 6, 7]
  assert chosen(QUERIES[0], 1) == [2, 4, 5, 1]


def test_every_support_is_chosen_alike_in_every_place():
  counts = collections.Counter()
  for i in range(2000):
    shots = prompts.choose_shots(sample(i), SUPPORTS, 3, seed=5)
    assert len({shot.source for shot in shots}) == 3
    counts.update((place, s.example_id) for place, s in enumerate(shots))
  assert len(counts) == 3 * len(SUPPORTS)
  expected = 2000 / len(SUPPORTS)
  assert all(0.75 < n / expected < 1.25 for n in counts.values())


def test_the_query_is_no_shot_of_its_own():
  shots = prompts.choose_shots(QUERIES[2], QUERIES, 4, seed=0)
  assert {s.example_id for s in shots} == {0, 1, 3, 4}


@pytest.mark.parametrize('supports', [[], SUPPORTS[:1], [QUERY, SUPPORTS[0]]])
def test_too_few_supports_are_one_sentence(supports):
  with pytest.raises(UserError, match='query:3: 2 shots are asked for'):
    prompts.choose_shots(QUERY, supports, 2, seed=0)


def test_answers_of_a_sample_are_texts(tmp_path):
  # Without the types that tests check, as users run it.
  program = tmp_path / 'program.py'
  program.write_text("""
from flamingo_jax.evaluation.prompts import Sample
for answers in ('a cat', (3,), (None,), (['a cat'],)):
  try:
    Sample((), 'Output:', answers, 'mine:7', 7)
  except ValueError as error:
    print(error)
""")
  said = forked.run(program, variables={}).stdout.splitlines()
  assert len(said) == 4
  for line in said:
    assert line.startswith('mine:7: answers are ') and 'tuple of texts' in line


def test_a_support_without_an_answer_is_no_shot():
  support = Sample((), 'Output:', (), 'mine:7', 7)
  with pytest.raises(UserError, match='mine:7 has no answer and cannot be'):
    prompts.join([support], prompts.ANY_QUERY)

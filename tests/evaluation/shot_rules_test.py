# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Shots that a benchmark's makers choose for each query."""

import json
import pathlib
import re
import shutil

import pytest

from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import endpoint, paper_benchmarks, prompts
from flamingo_jax.evaluation.prompts import as_text
from tests.evaluation.answerers import Oracle, evaluate, examples
from tests.evaluation.miniature import files, vl_icl

RESULT = 'What is the result of the following mathematical expression?'
ALIKE = 'Do the two images satisfy the induced relationship?'
# What model_inference.py makes for an OpenFlamingo, --task_description=detailed,
# without the answers of shots.
PROMPTS = {
    'open_mi': (
        'Induce the concept from the in-context examples. Answer the question '
        'with a single word or phase.\n'
        '<image>This is a\nAnswer: ...<EOC>'
        '<image>This is a\nAnswer: ...<EOC>'
        '<image>This is a\nAnswer:'
    ),
    'operator_induction_interleaved': (
        'There are two input images, each representing a single digit number. '
        'Induce the mathematical operator (addition, multiplication, minus) '
        'that is applied between the two images according to the results of '
        'the in-context examples. Calculate the result for the new query '
        f'images.\n<image><image>{RESULT}\nAnswer: ...<EOC>'
        f'<image><image>{RESULT}\nAnswer:'
    ),
    'matching_mi': (
        'According to the few-shot examples, induce what operation to do and '
        'determine the output for the two new images. Answer with "yes" or '
        f'"no".\n<image><image>{ALIKE}\nAnswer: ...<EOC>'
        f'<image><image>{ALIKE}\nAnswer: ...<EOC>'
        f'<image><image>{ALIKE}\nAnswer:'
    ),
    'textocr': (
        'An image will be provided where a red box is drawn around the text of '
        'interest. Answer with the text inside the red box. Ensure that the '
        'transcription is precise, reflecting the exact characters, including '
        'letters, numbers, symbols.\n'
        '<image>What text is shown in the red box?\nAnswer: ...<EOC>'
        '<image>What text is shown in the red box?\nAnswer:'
    ),
}


def queries(data, name):
  row = paper_benchmarks.find(name)
  return row, row.queries(data, row.split)


def shots(row, query, pool, count, seed=0, control=''):
  return prompts.make_shots(
      query, pool, count, seed, row.shows_texts_at_zero, control, row.rule.choose
  )


@pytest.mark.parametrize('name', PROMPTS)
def test_prompts_are_the_makers_own(name, data, tmp_path):
  _, oracle = evaluate(data, tmp_path, name, shots=1)
  found = {
      re.sub('Answer: .*?<EOC>', 'Answer: ...<EOC>', as_text(asked))
      for asked in oracle.asked
  }
  assert found == {PROMPTS[name]}
  _, oracle = evaluate(data, tmp_path, name, shots=0)
  begin, end = PROMPTS[name].split('\n')[0], PROMPTS[name].split('<EOC>')[-1]
  assert as_text(oracle.asked[0]) == f'{begin}\n{end}'


@pytest.mark.parametrize('whose, first', [
    ('vl_icl_concise', 'Answer with the text inside the red box.\n'),
    ('vl_icl_nothing', '\n'),
])
def test_tasks_have_other_descriptions(whose, first, data, tmp_path):
  card, oracle = evaluate(data, tmp_path, 'textocr', shots=1, prompts=whose)
  (_, rest) = PROMPTS['textocr'].split('\n', 1)
  assert {
      re.sub('Answer: .*?<EOC>', 'Answer: ...<EOC>', as_text(asked))
      for asked in oracle.asked
  } == {first + rest}
  assert card['settings']['prompts'] == whose
  with pytest.raises(UserError, match=f'{whose} has published no prompt for co'):
    paper_benchmarks.find('coco', whose)


def test_two_classes_of_the_query_take_turns(data):
  row, asked = queries(data, 'open_mi')
  others, firsts = set(), set()
  for query in asked:
    for seed in range(3):
      chosen = shots(row, query, [], 3, seed)
      names = [shot.answers[0] for shot in chosen]
      assert names == names[:2] * 3 and len(set(names)) == 2
      assert query.answers[0] in names and {*names} <= {*query.record['classes']}
      for name in names[:2]:
        own = [s for s in query.supports if s.answers[0] == name]
        assert [s for s in chosen if s.answers[0] == name] == own[:3]
      (other,) = {*names} - {*query.answers}
      others.add((query.source, other))
      firsts.add(names[0] == query.answers[0])
  assert firsts == {True, False} and len(others) > len(asked)
  with pytest.raises(UserError, match='open_mi:query:0: 6 shots .* it has 5'):
    shots(row, asked[0], [], 6)


@pytest.mark.parametrize('name', [
    'operator_induction', 'operator_induction_interleaved'
])
def test_shots_have_the_results_of_the_hidden_operator(name, data):
  row, asked = queries(data, name)
  pool = row.pool(data)
  for query in asked:
    a, b = map(int, query.record['entry']['id'].split('_')[-2:])
    of = vl_icl.RESULTS['+-x'[query.record['result']]]
    assert query.answers == (str(of(a, b)),)
    for shot in shots(row, query, pool, 4):
      a, b = map(int, shot.record['entry']['id'].split('_')[-2:])
      assert shot.answers == (str(of(a, b)),)


def test_pairs_are_shown_one_after_the_other(data):
  row, asked = queries(data, 'matching_mi')
  pool = row.pool(data)
  for query in asked:
    chosen = shots(row, query, pool, 4)
    assert [s.answers[0] for s in chosen] == ['Yes', 'No'] * 4
    pairs = [s.record['pair'] for s in chosen]
    assert pairs[::2] == pairs[1::2] and len(set(pairs)) == 4
  lonely = [s for s in pool if s.record['pair'] or s.answers == ('Yes',)]
  with pytest.raises(UserError, match='14 shots .* there are 13 pairs of supp'):
    shots(row, asked[0], lonely, 14)


def test_controls_move_labels_and_pictures_between_the_shots_of_a_query(data):
  row, (query, *_) = queries(data, 'open_mi')
  true = shots(row, query, [], 4)
  found = {
      control: shots(row, query, [], 4, control=control)
      for control in ('', *prompts.CONTROLS)
  }
  assert found[''] == true
  assert not any(shot.media for shot in found['text_only'])
  mixed = found['shuffled_labels']
  assert [s.media for s in mixed] == [s.media for s in true]
  names = [s.answers for s in mixed]
  assert sorted(names) == sorted(s.answers for s in true)
  # Two classes that take turns are shuffled, not exchanged.
  assert any(
      [s.answers for s in shots(row, query, [], 4, seed, 'shuffled_labels')]
      not in (names[::-1], [n.answers for n in true][::-1])
      for seed in range(9)
  )
  assert sorted(s.media[0].path for s in found['shuffled_images']) == sorted(
      s.media[0].path for s in true
  )


def test_baselines_and_cards_know_these_shots(data, tmp_path):
  class Copies(Oracle):
    """Says what the last shot says, in its own words."""

    def generate(self, asked, **options):
      del options
      return [f'{prompt[-4]}.' for prompt in asked]

  card, _ = evaluate(data, tmp_path, 'open_mi', Copies, shots=2)
  found = card['baselines']
  assert found['copied'] == found['shown'] == 100
  assert found['majority'] == {'exact_match': pytest.approx(
      card['scores']['exact_match']['score']
  )}
  assert 20 < found['majority']['exact_match'] < 80
  assert card['prompt']['shown'] == [4, 4] and card['supports'] > 300
  assert card['settings']['prompts'] == 'vl_icl'
  assert 'come with the query' in card['prompt']['shots']
  (first, *_) = examples(tmp_path, card)
  assert len(first['shots']) == 4 and first['shots'][0].startswith('open_mi:q')
  with pytest.raises(UserError, match="from: ask 'query'"):
    evaluate(data, tmp_path, 'operator_induction', split='support')
  for more in ({'rices': True}, {'fixed_shots': True}):
    with pytest.raises(UserError, match='leave --rices and --fixed_shots out'):
      evaluate(data, tmp_path, 'open_mi', **more)


def test_a_server_is_told_the_instruction_and_both_pictures_of_a_turn(data):
  row, (query, *_) = queries(data, 'matching_mi')
  parts = prompts.join(shots(row, query, row.pool(data), 1), query, row.style)
  turns = endpoint.messages(parts, lambda medium: medium.path)
  assert [turn['role'] for turn in turns] == ['user', 'assistant'] * 2 + ['user']
  kinds = [[part['type'] for part in turn['content']] for turn in turns[::2]]
  asked = ['image_url', 'image_url', 'text']
  assert kinds == [['text', *asked], asked, asked]
  assert turns[0]['content'][0]['text'] == row.style.instruction
  assert [turn['content'] for turn in turns[1::2]] == ['Yes', 'No']


def test_a_query_without_its_shots_pictures_is_left_out(data, tmp_path):
  shutil.copytree(data / 'open_mi', tmp_path / 'open_mi')
  row, asked = queries(tmp_path, 'open_mi')
  gone = asked[0].supports[0].media[0].path
  pathlib.Path(gone).unlink()
  whole = [q for q in asked if all(
      medium.path != gone for s in q.supports for medium in s.media
  )]
  card, oracle = evaluate(
      tmp_path, tmp_path / 'out', 'open_mi', allow_missing=True
  )
  assert card['missing'] == [gone]
  assert card['queries'] == len(whole) == len(oracle.asked) < len(asked)
  card, _ = evaluate(tmp_path, tmp_path / 'out', 'open_mi', shots=0)
  assert card['queries'] == len(asked) and not card['missing']


def test_two_queries_may_show_the_same_and_have_one_id(data, tmp_path):
  """As the official file: only the hidden operator differs."""
  folder = tmp_path / 'operator_induction_interleaved'
  shutil.copytree(data / folder.name, folder)
  first = json.loads((folder / 'query.json').read_text())[5]
  files.write_json(folder / 'query.json', [
      first | {'operator': sign, 'answer': result(1, 5)}
      for sign, result in vl_icl.RESULTS.items()
  ])
  row, asked = queries(tmp_path, folder.name)
  assert [query.answers for query in asked] == [('6',), ('-4',), ('5',)]
  pool = row.pool(tmp_path)
  assert len({
      tuple(s.answers for s in shots(row, query, pool, 4)) for query in asked
  }) == 3
  parts = prompts.join(shots(row, asked[0], pool, 1), asked[0], row.style)
  assert [isinstance(part, Media) for part in parts] == (
      [False, True, True, False, False, False, True, True, False]
  )

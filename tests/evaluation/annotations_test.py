# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Labels, answers and captions of any type are converted or refused."""

import csv
import json
import shutil

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import report
from flamingo_jax.evaluation.fewshot import Settings, read_queries
from flamingo_jax.evaluation.metrics import NDCG
from tests.evaluation.answerers import Oracle, evaluate
from tests.evaluation.miniature import files

VQA = 'v2_mscoco_val2014_annotations.json'
QUESTIONS = 'v2_OpenEnded_mscoco_val2014_questions.json'
DENSE = 'visdial_1.0_val_dense_annotations.json'


@pytest.fixture
def change(data, tmp_path):
  """Copies a benchmark's annotations, one of which a function changes."""

  def make(name, file, edit):
    folder = tmp_path / name
    if not folder.exists():
      folder.mkdir()
      for path in (data / name).iterdir():
        if path.is_file():
          shutil.copy(path, folder)
    path = folder / file
    text = path.read_text()
    if file.endswith('.json'):
      value = json.loads(text)
      edit(value)
      files.write_json(path, value)
    elif file.endswith('.jsonl'):
      rows = [json.loads(line) for line in text.split('\n') if line]
      edit(rows)
      files.write_text(path, map(json.dumps, rows))
    elif file.endswith('.csv'):
      with path.open(newline='') as opened:
        rows = list(csv.DictReader(opened))
      edit(rows)
      files.write_csv(path, rows)
    else:
      path.write_text(edit(text))
    row = paper_benchmarks.find(name)
    return lambda: row.queries(tmp_path, row.split)

  return make


def put(value, *keys):
  """An edit that sets the field below these keys."""

  def edit(root):
    for key in keys[:-1]:
      root = root[key]
    root[keys[-1]] = value

  return edit


def answered(change, *values):
  """The answers of the VQAv2 question that is given these."""
  read = change('vqav2', VQA, put(
      [{'answer': value} for value in values], 'annotations', 2, 'answers'
  ))
  return read()[-3].answers  # annotations are in the opposite order


@pytest.mark.parametrize('values, answers', [
    ((3,), ('3',)), ((1.0, 1), ('1', '1')), ((2.5,), ('2.5',)),
    (('', ' ', 'cat'), ('cat', '', ' ')),
    (('3', 'cat', 3), ('3', '3', 'cat')),
])
def test_numbers_are_answers_as_people_write_them(change, values, answers):
  assert answered(change, *values) == answers


@pytest.mark.parametrize('value', [
    None, True, ['cat'], {'a': 1}, '', ' \n', float('nan'), '\ud800',
])
def test_what_is_no_answer_is_refused_with_file_and_entry(change, value):
  with pytest.raises(UserError, match=rf'{VQA}: entry 2 .*copy the file again'):
    answered(change, value)


@pytest.mark.parametrize('label, answer', [
    (0, 'no'), ('0', 'no'), (0.0, 'no'), (False, 'no'), (' 0 ', 'no'),
    (1, 'yes'), ('1', 'yes'), (1.0, 'yes'), (True, 'yes'),
])
def test_labels_in_any_writing_are_their_class(change, label, answer):
  read = change('hateful_memes', 'test_seen.jsonl', put(label, 3, 'label'))
  assert read()[3].answers == (answer,)


@pytest.mark.parametrize('label', [2, -1, '2', 'x', '', None, [1], 0.5])
def test_labels_of_no_class_are_refused(change, label):
  read = change('hateful_memes', 'test_seen.jsonl', put(label, 3, 'label'))
  with pytest.raises(UserError, match='test_seen.jsonl: entry 3 '):
    read()


# Benchmark, file, the place of a value and what is wrong with it.
WRONG = [
    ('coco', 'dataset_coco.json', ('images', 0, 'sentences'), []),
    ('coco', 'dataset_coco.json', ('images', 0, 'sentences', 1, 'raw'), ' '),
    ('coco', 'dataset_coco.json', ('images', 0, 'sentences', 1), 'a cat'),
    ('coco', 'dataset_coco.json', ('images', 0, 'split'), 'tset'),
    ('coco', 'dataset_coco.json', ('images', 0, 'cocoid'), None),
    ('vatex', 'vatex_public_test_english_v1.1.json', (0, 'enCap'), []),
    ('vatex', 'vatex_public_test_english_v1.1.json', (0, 'enCap', 2), ''),
    ('vatex', 'vatex_public_test_english_v1.1.json', (0,), 'a cat'),
    ('vqav2', VQA, ('annotations', 0, 'answers'), 'cat'),
    ('vqav2', VQA, ('annotations', 0, 'question_id'), [1]),
    ('vqav2', QUESTIONS, ('questions', 0, 'question'), None),
    ('vqav2', QUESTIONS, ('questions', 0, 'image_id'), 'cat'),
    ('textvqa', 'TextVQA_0.5.1_val.json', ('data', 0, 'answers'), []),
    ('textvqa', 'TextVQA_0.5.1_val.json', ('data', 0, 'answers', 1), [['a']]),
    ('vizwiz', 'val.json', (0, 'answers'), None),
    ('vizwiz', 'val.json', (0, 'answers', 0), {'confidence': 'yes'}),
    ('msvdqa', 'test_qa.json', (0, 'answer'), ''),
    ('msvdqa', 'test_qa.json', (0, 'video_id'), 123456),
    ('msrvttqa', 'test_qa.json', (0, 'answer'), None),
    ('ivqa', 'test.csv', (0, 'start'), ''),
    ('nextqa', 'test.csv', (0, 'answer'), ' '),
    ('star', 'STAR_val.json', (0, 'answer'), 'nothing of these'),
    ('star', 'STAR_val.json', (0, 'choices'), []),
    ('star', 'STAR_val.json', (0, 'choices', 0, 'choice'), ''),
    ('star', 'STAR_val.json', (0, 'choices', 0, 'choice_id'), 7),
    ('visdial', 'visdial_1.0_val.json',
     ('data', 'dialogs', 0, 'dialog', 0, 'answer'), -1),
    ('visdial', 'visdial_1.0_val.json',
     ('data', 'dialogs', 0, 'dialog', 0, 'question'), 999),
    ('visdial', 'visdial_1.0_val.json',
     ('data', 'dialogs', 0, 'dialog', 0, 'answer_options', 0), 999),
    ('visdial', DENSE, (0, 'round_id'), 99),
    ('visdial', DENSE, (0, 'gt_relevance'), [1.0]),
    ('visdial', DENSE, (0, 'gt_relevance', 0), 'x'),
    ('rareact', 'rareact.csv', (0, 'class_id'), 'x'),
    ('rareact', 'rareact.csv', (0, 'class_id'), 1),
    ('rareact', 'rareact.csv', (0, 'annotation'), 5),
    ('rareact', 'rareact.csv', (0, 'noun'), ''),
    ('imagenet', 'LOC_val_solution.csv', (0, 'PredictionString'), 'n0 1 2'),
    ('kinetics700', 'validate.csv', (0, 'label'), 'no such label'),
    ('kinetics700', 'validate.csv', (0, 'time_start'), '-1'),
    ('open_mi', 'query.json', (3, 'image'), {}),
    ('open_mi', 'query.json', (3, 'classes'), ['dax', 'perpo']),
    ('open_mi', 'query.json', (3, 'support'), []),
    ('open_mi', 'query.json', (3, 'support', 'slation'), ['a.jpg']),
    ('open_mi', 'query.json', (3, 'support', 'slation', 'images', 0), ''),
    ('operator_induction', 'query.json', (3, 'operator'), '/'),
    ('textocr', 'query.json', (3, 'image'), ['/textocr/query/1.png']),
    ('textocr', 'query.json', (3, 'image'), ['../1.png']),
    ('textocr', 'query.json', (3, 'answer'), ''),
    ('clevr', 'query.json', (3, 'question'), None),
    ('matching_mi', 'query.json', (3, 'answer'), 'maybe'),
]


@pytest.mark.parametrize('name, file, keys, value', WRONG)
def test_wrong_fields_are_one_sentence(change, name, file, keys, value):
  read = change(name, file, put(value, *keys))
  with pytest.raises(UserError) as error:
    read()
  assert file in str(error.value) and 'entry ' in str(error.value)
  assert '\n' not in str(error.value) and 'again from' in str(error.value)


@pytest.mark.parametrize('name, file, edit, sentence', [
    ('vqav2', VQA, lambda value: value.pop('annotations'),
     "has no field 'annotations'"),
    ('vqav2', VQA, put([], 'annotations'), 'has no answers to question'),
    ('vqav2', VQA, lambda v: v['annotations'].append(v['annotations'][0]),
     'the second one of question_id'),
    ('coco', 'dataset_coco.json', put({}, 'images'), 'has no list'),
    ('star', 'STAR_val.json', lambda rows: rows[1].pop('answer'),
     "STAR_val.json: entry 1 has no field 'answer'"),
    ('nextqa', 'add_reference_answer_test.json',
     lambda more: more.update(dict.fromkeys(more, {'7': ''})),
     "test.json: entry .* has '' as '7'"),
    ('msvdqa', 'youtube_mapping.txt', lambda text: 'one two three\n' + text,
     'in line 1'),
    ('imagenet', 'LOC_synset_mapping.txt', lambda text: 'n01\n' + text,
     'in line 1'),
    ('open_mi', 'query.json', lambda rows: rows[3]['support'].clear(),
     "query.json: entry 3 has no field 'slation'"),
])
def test_wrong_files_are_one_sentence(change, name, file, edit, sentence):
  read = change(name, file, edit)
  with pytest.raises(UserError, match=sentence):
    read()


@pytest.mark.parametrize('name, keys, value, sentence', [
    ('operator_induction', (3, 'answer'), [1, 2], 'has 2 results'),
    ('operator_induction', (3, 'answer'), 7, 'must be a list of texts'),
    ('matching_mi', (3, 'diff'), 'no', 'must be an entry with fields'),
    ('matching_mi', (3, 'same', 'answer'), 'x', 'must be Yes or No'),
])
def test_wrong_supports_are_one_sentence(
    change, tmp_path, name, keys, value, sentence
):
  change(name, 'support.json', put(value, *keys))
  with pytest.raises(UserError, match=f'support.json: entry 3 .*{sentence}'):
    paper_benchmarks.find(name).pool(tmp_path)


def test_entries_need_no_more_than_their_makers_read(change, tmp_path):
  def bare(pairs):
    for pair in pairs:
      for side in pair.values():
        del side['id']

  change('matching_mi', 'support.json', bare)
  assert len(paper_benchmarks.find('matching_mi').pool(tmp_path)) == 28
  read = change('clevr', 'query.json', put('clevr/query/1.png', 3, 'image'))
  assert read()[3].media[0].path == str(tmp_path / 'clevr' / 'query' / '1.png')


def test_candidates_are_different_and_as_many_for_all(change, tmp_path):
  def twice(rows):
    rows[1]['choices'][0]['choice'] = rows[1]['choices'][1]['choice']

  with pytest.raises(UserError, match='entry 1 has the candidate .* twice'):
    change('star', 'STAR_val.json', twice)()

  def fewer(rows):
    rows[1]['choices'] = [{'choice_id': 0, 'choice': rows[1]['answer']}]

  change('star', 'STAR_val.json', fewer)
  with pytest.raises(UserError, match='entry 1, .* has 1 candidates'):
    read_queries(
        paper_benchmarks.find('star'), tmp_path, Settings('star', 'validation', 0),
        False,
    )


def test_answers_of_a_secret_split_are_those_of_all_or_of_none(change):
  def remove(rows, count):
    for row in rows[:count]:
      del row['label']

  name, file = 'hateful_memes', 'test_seen.jsonl'
  with pytest.raises(UserError, match='test_seen.jsonl: entry 0 has no answer'):
    change(name, file, lambda rows: remove(rows, 1))()
  read = change(name, file, lambda rows: remove(rows[1:], None))
  assert not any(query.answers for query in read())


def test_the_model_is_not_asked_where_a_question_has_no_answer(
    change, data, tmp_path
):
  oracle = Oracle(paper_benchmarks.find('vqav2').queries(data, 'validation'))
  change('vqav2', VQA, put([], 'annotations', 0, 'answers'))
  with pytest.raises(UserError, match=f'{VQA}: entry 0 has no answer'):
    evaluate(tmp_path, tmp_path / 'out', answerer=oracle)
  assert not oracle.asked


def test_a_table_says_why_there_is_no_score():
  card = {
      'benchmark': 'x', 'left_out': {}, 'baselines': {},
      'settings': {'shots': 4, 'seed': 0, 'order': 0, 'split': 'test'},
      'queries': 200, 'missing': [], 'prompt': {'beyond_context': ['x:test:7']},
      'scores': {},
  }
  table = report.table_of_scores(report.summarise([card]))
  assert "no score: the files of the split 'test' have no answers" in table
  assert '1 of 200 queries with 4 shots count as wrong' in table


def test_ndcg_needs_relevance():
  record = {'relevance': None}
  target = {'answers': ('a',), 'candidates': 'ab', 'record': record}
  with pytest.raises(UserError, match='without dense annotations'):
    NDCG.rows([target], np.array([[0.0, 1.0]]))

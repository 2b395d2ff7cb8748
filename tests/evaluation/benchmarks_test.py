# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, from its official files to a score, on miniatures."""

import csv
import json

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import benchmarks, cards, prompts
from flamingo_jax.evaluation.fewshot import Settings
from flamingo_jax.evaluation.metrics import wups
from flamingo_jax.evaluation.prompts import as_text
from tests.evaluation import miniature
from tests.evaluation.answerers import Oracle, Rambling, Silent
from tests.evaluation.metrics.wups_test import Wordnet

MODEL = {'sha256': 'none'}


@pytest.fixture(scope='session')
def data(tmp_path_factory):
  """DATA, with a folder for each benchmark."""
  folder = tmp_path_factory.mktemp('data')
  for name, write in miniature.WRITERS.items():
    write(folder / name)
  return folder


@pytest.fixture(autouse=True)
def wordnet(monkeypatch):
  monkeypatch.setattr(wups, 'wordnet', Wordnet)


def settings(name, shots=2, **more):
  split = benchmarks.find(name).split
  return Settings(**{'benchmark': name, 'split': split, 'shots': shots} | more)


def evaluate(name, data, folder, model=Oracle, **more):
  """(the card, the model)."""
  benchmark = benchmarks.find(name)
  chosen = settings(name, **more)
  answerer = model(benchmark.queries(data, chosen.split))
  card = cards.evaluate(benchmark, data, chosen, answerer, MODEL, folder)
  return card, answerer


def shots(name):
  return 0 if name == 'rareact' else 2


def score(card):
  return next(iter(card['scores'].values()))['score']


def highest(name):
  return 1000 if 'cider' == benchmarks.find(name).metrics[0].name else 100


def test_every_row_has_a_miniature():
  assert set(miniature.WRITERS) == set(benchmarks.BENCHMARKS)


@pytest.mark.parametrize('name', benchmarks.BENCHMARKS)
def test_an_oracle_has_the_highest_score(name, data, tmp_path):
  card, oracle = evaluate(name, data, tmp_path, shots=shots(name))
  assert card['queries'] == 6 and card['missing'] == []
  assert score(card) == pytest.approx(highest(name))
  prompt = as_text(oracle.asked[0])
  assert prompt.count('<image>') == shots(name) + 1
  assert prompt.count('<EOC>') == shots(name)
  assert prompt == prompt.strip() and prompt.endswith((':', 'a person'))


@pytest.mark.parametrize('name', benchmarks.BENCHMARKS)
def test_a_silent_model_has_the_lowest_score(name, data, tmp_path):
  card, _ = evaluate(name, data, tmp_path, Silent, shots=shots(name))
  # mWAP cannot be 0: of few clips, the last are still of some precision.
  assert score(card) < 60 if name == 'rareact' else score(card) == 0


@pytest.mark.parametrize('name', ['coco', 'vqav2', 'ivqa'])
def test_answers_are_cut_at_words_of_the_prompt(name, data, tmp_path):
  card, _ = evaluate(name, data, tmp_path, Rambling)
  assert score(card) == pytest.approx(highest(name))


PROMPTS = {
    'coco': '<image>Output: A cat looks to the side.<EOC><image>Output:',
    'vqav2': '<image>Question: what is shown here? Answer: cat<EOC>'
             '<image>Question: what is shown here? Answer:',
    'hateful_memes': '<image>is an image with written: "meme 1" on it. Is it '
                     'hateful? Answer: yes<EOC>'
                     '<image>is an image with written: "meme 0" on it. Is it '
                     'hateful? Answer:',
    'visdial': '<image>a cat looks to the side. Question: is it day? Answer: '
               'yes. Question: what is shown here? Answer: it is cat<EOC>'
               '<image>a woman in an orange space suit smiles. Question: is it '
               'day? Answer: no. Question: what is shown here? Answer:',
    'kinetics700': '<image>Output: filming cat<EOC><image>Output:',
}


@pytest.mark.parametrize('name', PROMPTS)
def test_prompts_are_the_paper_s(name, data, tmp_path):
  benchmark = benchmarks.find(name)
  query = benchmark.queries(data, benchmark.split)[0]
  pool = benchmark.pool(data)
  seed = next(  # with which the cat is the shot of the first query
      seed for seed in range(100)
      if 'cat' in as_text(prompts.make_prompt(query, pool, 1, seed, True))
      or 'meme 1' in as_text(prompts.make_prompt(query, pool, 1, seed, True))
  )
  _, oracle = evaluate(name, data, tmp_path, shots=1, seed=seed)
  assert PROMPTS[name] in map(as_text, oracle.asked)


def test_zero_shots_are_two_texts(data, tmp_path):
  _, oracle = evaluate('vqav2', data, tmp_path, shots=0)
  prompt = as_text(oracle.asked[0])
  assert prompt.count('<EOC>') == 2 and prompt.count('<image>') == 1
  _, oracle = evaluate('star', data, tmp_path, shots=0)
  assert '<EOC>' not in as_text(oracle.asked[0])


def test_rareact_ranks_sentences(data):
  (query, *_) = benchmarks.find('rareact').queries(data, 'test')
  assert query.text == 'Caption: a person'
  assert query.candidates == (
      'cuts a phone', 'cuts an orange', 'fries an orange'
  )


def test_ok_vqa_asks_for_what_people_wrote(data):
  coins = benchmarks.find('okvqa').queries(data, 'validation')[5]
  assert coins.answers[0] == 'coins'


def test_next_qa_has_second_answers(data):
  first = benchmarks.find('nextqa').queries(data, 'test')[0]
  assert first.answers == ('astronaut', 'woman')


def read_predictions(folder, card):
  path = folder / Settings(**card['settings']).name
  return path / card['predictions']['file']


def test_predictions_are_as_servers_take_them(data, tmp_path):
  def read(name, **more):
    card, _ = evaluate(name, data, tmp_path, **more)
    return read_predictions(tmp_path, card)

  said = json.loads(read('coco').read_text())
  assert said[0] == {'image_id': 0, 'caption': miniature.CAPTIONS[0]}
  said = json.loads(read('vqav2').read_text())
  assert said[1] == {'question_id': 101, 'answer': 'cat'}
  said = json.loads(read('vizwiz').read_text())
  assert said[1] == {'image': 'VizWiz_val_00000001.jpg', 'answer': 'cat'}
  said = json.loads(read('visdial').read_text())
  assert said[0]['ranks'] == [1, 2, 3, 4, 5, 6, 7, 8]
  assert (said[2]['image_id'], said[2]['round_id']) == (2, 2)
  assert said[2]['ranks'] == [3, 4, 1, 2, 5, 6, 7, 8]
  said = json.loads(read('nextqa').read_text())
  assert said['3'] == {'7': 'rocket'}
  said = json.loads(read('star').read_text())
  assert said['Sequence'][0] == {'question_id': 'Sequence_T1_1', 'answer': 1}
  rows = list(csv.DictReader(read('hateful_memes').open()))
  assert [row['label'] for row in rows] == list('010101')
  likely = 1 / (1 + np.exp(-1))
  assert float(rows[1]['proba']) == pytest.approx(likely, abs=1e-6)
  assert np.load(read('rareact', shots=0)).shape == (6, 3)


def test_a_split_with_secret_answers_has_predictions_only(data, tmp_path):
  folder = tmp_path / 'data' / 'vqav2'
  miniature.WRITERS['vqav2'](folder)
  miniature.write_json(
      folder / 'v2_OpenEnded_mscoco_test-dev2015_questions.json',
      {'questions': [{'question_id': 1, 'image_id': 1, 'question': 'x?'}]},
  )
  miniature.write_picture(
      folder / 'test2015' / 'COCO_test2015_000000000001.jpg', 0
  )
  card, _ = evaluate('vqav2', tmp_path / 'data', tmp_path, Silent,
                     split='test_dev')
  assert card['scores'] == {}
  assert json.loads(read_predictions(tmp_path, card).read_text()) == [
      {'question_id': 1, 'answer': ''}
  ]


def test_files_that_are_missing_or_wrong_are_one_sentence(data, tmp_path):
  find = benchmarks.find
  with pytest.raises(UserError, match="no benchmark 'vqa': did you mean"):
    find('vqa')
  with pytest.raises(UserError, match="coco has no split 'dev'; it has te"):
    find('coco').queries(data, 'dev')
  with pytest.raises(UserError, match='dataset_coco.json does not exist: the '
                     "split 'test' of coco needs it; it comes from caption_d"):
    find('coco').queries(tmp_path, 'test')
  wrong = tmp_path / 'vatex' / 'vatex_public_test_english_v1.1.json'
  miniature.write_json(wrong, [{'video': 1}])
  with pytest.raises(UserError, match="entry 0 has no field 'videoID'"):
    find('vatex').queries(tmp_path, 'test')
  wrong.write_text('[]')
  with pytest.raises(UserError, match="has no samples of the split 'test'"):
    find('vatex').queries(tmp_path, 'test')
  wrong.write_text('{')
  with pytest.raises(UserError, match='is not JSON'):
    find('vatex').queries(tmp_path, 'test')

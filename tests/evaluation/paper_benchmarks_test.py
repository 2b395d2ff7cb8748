# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, from its official files to a score, on miniatures."""

import csv
import functools
import json
import pathlib

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import cards
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import report
from flamingo_jax.evaluation.fewshot import Settings
from flamingo_jax.evaluation.metrics import okvqa, wups
from flamingo_jax.evaluation.metrics.metric import Unavailable
from flamingo_jax.evaluation.prompts import as_text
from tests.evaluation import miniature
from tests.evaluation.answerers import (
    Inexact,
    Oracle,
    Rambling,
    Silent,
    evaluate,
    examples,
    known_by,
    results,
)
from tests.evaluation.metrics.wups_test import Wordnet
from tests.evaluation.miniature import choices, files, views

# What the official programs print of the predictions of Oracle, Silent and
# Inexact: coco-caption's with its Java tokenizer, VQA's vqaEval.py, VisDial's
# and NExT-OE's metrics.py (words as they are, which no two WordNet forms are
# of), RareAct's compute_score.py, sklearn's ROC AUC, VL-ICL Bench's eval.py,
# SMMILE's evaluate_EM.py; of the others right answers were counted in the
# annotations.
SCORES = {
    'coco': (646.4675892372001, 0, 366.862292417933),
    'flickr30k': (748.329396456865, 0, 645.6341468453868),
    'vqav2': (93.75, 0, 29.375),
    'okvqa': (93.75, 0, 29.375),
    'textvqa': (93.75, 0, 29.375),
    'vizwiz': (93.3333333333, 0, 29.3333333333),
    'visdial': (100, 0, 13.772889554583667),
    'hateful_memes': (100, 0, 41.8552036199095),
    'msvdqa': (100, 0, 68.75),
    'msrvttqa': (100, 0, 68.75),
    'ivqa': (88.33333333333333, 0, 43.333333333333336),
    'nextqa': (100, 0, 84.375),
    'star': (100, 0, 15.75091575091575),
    'vatex': (512.4573865956676, 0, 179.01253215512273),
    'youcook2': (1000, 0, 927.4728625006323),
    # Of few clips, the last are still of some precision.
    'rareact': (100, 28.60294117647059, 36.54362249950485),
    'imagenet': (100, 0, 3.3333333333333335),
    'kinetics700': (100, 0, 11.666666666666666),
    'open_mi': (100, 0, 66.66666666666666),
    'operator_induction': (85.29411764705883, 0, 85.29411764705883),
    'operator_induction_interleaved': (85.29411764705883, 0, 85.29411764705883),
    'textocr': (70, 0, 46.666666666666664),
    'clevr': (100, 0, 66.66666666666666),
    'matching_mi': (100, 66.66666666666666, 100),
    'smmile': (100, 0, 63.33333333333333),
    'smmile_plusplus': (100, 0, 53.333333333333336),
}
# Pictures of an example, and examples of a shot, where it is not one.
PICTURES = {'operator_induction_interleaved': 2, 'matching_mi': 2}
EXAMPLES = {'open_mi': 2, 'matching_mi': 2}


@pytest.fixture(autouse=True)
def wordnet(monkeypatch):
  monkeypatch.setattr(wups, 'wordnet', Wordnet)


@pytest.fixture(scope='session')
def evaluated(data, tmp_path_factory):
  """(the card, the model, the folder) of a benchmark and a kind of model."""

  @functools.cache
  def of(name, model=Oracle):
    folder = tmp_path_factory.mktemp(f'{name}_{model.__name__}')
    return *evaluate(data, folder, name, model, shots=shots(name)), folder

  return of


def shots(name):
  return 0 if name == 'rareact' else 2


def score(card):
  return next(iter(card['scores'].values()))['score']


def test_every_row_has_a_miniature():
  assert set(miniature.WRITERS) == set(paper_benchmarks.BENCHMARKS) == set(SCORES)


@pytest.mark.parametrize('name', paper_benchmarks.BENCHMARKS)
def test_a_few_dozen_rows_are_about_pictures_that_differ(name, data):
  benchmark = paper_benchmarks.find(name)
  queries = benchmark.queries(data, benchmark.split)
  supports = benchmark.pool(data)
  assert 24 <= len(queries) <= 36
  assert 24 <= len(supports) <= 36 or benchmark.supports is None
  supports += [support for query in queries for support in query.supports]
  media = {s.media[0].path: s.media[0] for s in [*queries, *supports]}
  contents = {m.data or pathlib.Path(m.path).read_bytes() for m in media.values()}
  fewest = {'rareact': 24, 'operator_induction_interleaved': 10}.get(name, 48)
  assert len(media) >= len(contents) >= fewest
  assert len(media) == len(contents) or name in ('smmile', 'smmile_plusplus')
  asked = {known_by(prompts.ask(query)) for query in queries}
  assert len(asked) == len(queries)


@pytest.mark.parametrize('name', paper_benchmarks.BENCHMARKS)
def test_an_oracle_has_the_official_score(name, evaluated):
  card, oracle, _ = evaluated(name)
  assert card['queries'] == len(oracle.asked) and card['missing'] == []
  assert score(card) == pytest.approx(SCORES[name][0], rel=1e-10)
  prompt = as_text(oracle.asked[0])
  shown = shots(name) * EXAMPLES.get(name, 1)
  assert prompt.count('<image>') == (shown + 1) * PICTURES.get(name, 1)
  assert prompt.count('<EOC>') == shown
  assert prompt == prompt.strip() and prompt.endswith((':', 'a person', '?'))


@pytest.mark.parametrize('name', [
    name for name, (best, *_) in SCORES.items() if best not in (100, 1000)
])
def test_nobody_scores_more_than_an_oracle(name, data):
  """Where annotators differ, the first answer is the best that any gave."""
  benchmark = paper_benchmarks.find(name)
  metric = benchmark.metrics[0]
  queries = benchmark.queries(data, benchmark.split)
  targets = [{'answers': q.answers, 'record': q.record} for q in queries]
  rows = lambda said: metric.rows(targets, said)
  best = rows([query.answers[0] for query in queries])
  for number in range(1, max(len(query.answers) for query in queries)):
    said = [q.answers[number % len(q.answers)] for q in queries]
    assert np.all(rows(said) <= best + 1e-12)


@pytest.mark.parametrize('name', paper_benchmarks.BENCHMARKS)
@pytest.mark.parametrize('place, model', [(1, Silent), (2, Inexact)])
def test_models_that_are_not_right_have_the_official_score(
    place, model, name, evaluated
):
  card, *_ = evaluated(name, model)
  expected = pytest.approx(SCORES[name][place], rel=1e-10, abs=1e-10)
  assert score(card) == expected


# Words, answers that are ranked, and dialogues; of pictures and of videos.
@pytest.mark.parametrize('name', [
    'coco', 'vizwiz', 'visdial', 'hateful_memes', 'imagenet', 'ivqa', 'star',
    'rareact',
])
def test_a_tiny_model_is_asked_every_row(name, data, predictor, tmp_path):
  """End to end; its weights are random, so its score is any that there is."""
  card, _ = evaluate(
      data, tmp_path, name, answerer=predictor, shots=0, beams=1
  )
  assert not card['prompt']['beyond_context']
  best, worst, _ = SCORES[name]
  assert worst <= score(card) <= best
  benchmark = paper_benchmarks.find(name)
  assert [row['source'] for row in examples(tmp_path, card)] == [
      query.source for query in benchmark.queries(data, benchmark.split)
  ]


@pytest.mark.parametrize('name', ['coco', 'vqav2', 'ivqa'])
def test_answers_are_cut_at_words_of_the_prompt(name, evaluated):
  card, *_ = evaluated(name, Rambling)
  assert score(card) == pytest.approx(SCORES[name][0], rel=1e-10)


PROMPTS = {
    'coco': '<image>Output: The smiling face of a woman with curly brown hair.'
            '<EOC><image>Output:',
    'vqav2': '<image>Question: Is she smiling? Answer: yes<EOC>'
             '<image>Question: What colour is her suit? Answer:',
    'hateful_memes': '<image>is an image with written: "when you see the face, '
                     'and "yes" is all you can\'t say" on it. Is it hateful? '
                     'Answer: no<EOC>'
                     '<image>is an image with written: "when you see the '
                     'astronaut, and "orange" is all you can\'t say" on it. Is '
                     'it hateful? Answer:',
    'visdial': '<image>a wall of long, dark bricks. Question: are there any '
               'people? Answer: not many. Question: what do you see? Answer: '
               'it is the wall<EOC>'
               '<image>a woman in an orange space suit smiles. Question: what '
               'do you see? Answer:',
    'kinetics700': "<image>Output: massaging person's feet<EOC>"
                   '<image>Output:',
}


@pytest.mark.parametrize('name', PROMPTS)
def test_prompts_are_the_paper_s(name, data, tmp_path):
  benchmark = paper_benchmarks.find(name)
  query = benchmark.queries(data, benchmark.split)[0]
  pool = benchmark.pool(data)
  seed = next(  # with which this is the shot of the first query
      seed for seed in range(1000)
      if as_text(prompts.join(
          prompts.make_shots(query, pool, 1, seed, True), query
      )) == PROMPTS[name]
  )
  _, oracle = evaluate(data, tmp_path, name, shots=1, seed=seed)
  assert PROMPTS[name] in map(as_text, oracle.asked)


def test_zero_shots_are_two_texts(data, tmp_path):
  _, oracle = evaluate(data, tmp_path, shots=0)
  prompt = as_text(oracle.asked[0])
  assert prompt.count('<EOC>') == 2 and prompt.count('<image>') == 1
  _, oracle = evaluate(data, tmp_path, 'star', shots=0)
  assert '<EOC>' not in as_text(oracle.asked[0])


def test_rareact_ranks_sentences(data):
  (query, *_) = paper_benchmarks.find('rareact').queries(data, 'test')
  assert query.text == 'Caption: a person'
  assert query.candidates == (
      'cuts a phone', 'washes an orange', 'cuts an orange', 'carries a box'
  )


@pytest.mark.parametrize('name', ['ivqa', 'hateful_memes'])
def test_lines_end_at_line_feeds_alone(name, data):
  benchmark = paper_benchmarks.find(name)
  texts = [q.text for q in benchmark.queries(data, benchmark.split)]
  assert len(texts) == 30 and any('\u2028' in text for text in texts)


def test_imagenet_tells_classes_of_one_name_apart(data):
  (query, *_) = paper_benchmarks.find('imagenet').queries(data, 'validation')
  assert len(set(query.candidates)) == len(query.candidates) == 24
  assert {'crane bird', 'construction crane', 'maillot', 'maillot, tank suit',
          'cup of coffee'} < set(query.candidates)


def test_ok_vqa_asks_for_what_people_wrote(data):
  queries = paper_benchmarks.find('okvqa').queries(data, 'validation')
  coins = [q for q in queries if 'shown here' in q.text][3]
  assert coins.answers[0] == 'row of coins'


def test_ok_vqa_has_a_score_of_stems_beside_its_own(data, tmp_path, monkeypatch):
  monkeypatch.setattr(okvqa, 'stem', lambda text: text.removesuffix('s'))
  card, _ = evaluate(data, tmp_path, 'okvqa')
  assert list(card['scores']) == [
      'vqa_accuracy', 'vqa_accuracy_always_normalised', 'vqa_accuracy_stemmed'
  ]
  # As OpenFlamingo's vqa_metric.py prints; 'The coins.' is no stem here.
  assert card['scores']['vqa_accuracy_stemmed']['score'] == 92.5
  # OpenFlamingo's makers show the stems, too.
  query, = (
      q for q in paper_benchmarks.find('okvqa', 'openflamingo').queries(
          data, 'validation') if 'row of coin' in q.answers
  )
  assert query.record['stems'] == list(query.answers)


def test_a_score_beside_the_first_is_left_out_where_data_lack(
    data, tmp_path, monkeypatch
):
  def stem(text):
    raise Unavailable('stems need data')

  monkeypatch.setattr(okvqa, 'stem', stem)
  card, _ = evaluate(data, tmp_path, 'okvqa')
  assert card['left_out'] == {'vqa_accuracy_stemmed': 'stems need data'}
  table = report.table_of_scores(report.summarise([card]))
  assert table.endswith('vqa_accuracy_stemmed is left out: stems need data')
  row = paper_benchmarks.find('okvqa', 'openflamingo')
  settings = Settings('okvqa', 'validation', 0, prompts='openflamingo')
  with pytest.raises(Unavailable):  # its only one
    cards.check(row, data, settings, Oracle([]), False)
  # Under seqio, where all scores are made at the end, others are kept.
  targets = [{'answers': ('a',), 'record': {'stems': ('a',)}}]
  assert metrics.VQA_ACCURACY_STEMMED.seqio_function()(targets, ['a']) == {}


def test_next_qa_has_second_answers(data):
  first, second, *_ = paper_benchmarks.find('nextqa').queries(data, 'test')
  assert first.answers == ('orange', 'orange of course')
  assert second.answers == ('one',)


def predictions(folder, card):
  return results(folder, card) / card['predictions']['file']


def test_predictions_are_as_servers_take_them(evaluated):
  def read(name):
    card, _, folder = evaluated(name)
    return predictions(folder, card)

  said = json.loads(read('coco').read_text())
  assert said[0] == {
      'image_id': 139, 'caption': 'A woman in an orange space suit smiles.'
  }
  said = json.loads(read('vqav2').read_text())
  assert said[1] == {'question_id': 247053000, 'answer': 'one'}
  said = json.loads(read('vizwiz').read_text())
  assert said[1] == {'image': 'VizWiz_val_00007053.jpg', 'answer': 'one'}
  said = json.loads(read('visdial').read_text())
  assert said[0]['ranks'] == list(range(1, choices.OPTIONS + 1))
  assert (said[2]['image_id'], said[2]['round_id']) == (493967, 3)
  # Options 4, 2 and 6 have a relevance of 0.6, 0.4 and 0.2.
  assert said[2]['ranks'] == [4, 5, 2, 6, 1, 7, 3, *range(8, 17)]
  said = json.loads(read('nextqa').read_text())
  assert said['2472259371'] == {'7': 'one'}
  assert said['4943127769'] == {'7': 'no', '8': 'mortar'}
  said = json.loads(read('star').read_text())
  assert said['Sequence'][0] == {
      'question_id': 'Sequence_T2_388', 'answer': 1
  }
  rows = list(csv.DictReader(read('hateful_memes').open()))
  assert ''.join(row['label'] for row in rows).startswith('1000011100')
  likely = 1 / (1 + np.exp(-1))
  assert float(rows[0]['proba']) == pytest.approx(likely, abs=1e-6)
  assert np.load(read('rareact')).shape == (30, 4)


def test_a_split_with_secret_answers_has_predictions_only(data, tmp_path):
  folder = tmp_path / 'data' / 'vqav2'
  miniature.WRITERS['vqav2'](folder)
  files.write_json(
      folder / 'v2_OpenEnded_mscoco_test-dev2015_questions.json',
      {'questions': [{'question_id': 1, 'image_id': 1, 'question': 'x?'}]},
  )
  views.write_picture(
      folder / 'test2015' / 'COCO_test2015_000000000001.jpg',
      views.VIEWS[0],
  )
  card, _ = evaluate(
      tmp_path / 'data', tmp_path, model=Silent, split='test_dev'
  )
  assert card['scores'] == {}
  assert json.loads(predictions(tmp_path, card).read_text()) == [
      {'question_id': 1, 'answer': ''}
  ]


def test_files_that_are_missing_or_wrong_are_one_sentence(data, tmp_path):
  find = paper_benchmarks.find
  with pytest.raises(UserError, match="no benchmark 'vqa': did you mean"):
    find('vqa')
  with pytest.raises(UserError, match="coco has no split 'dev'; it has te"):
    find('coco').queries(data, 'dev')
  with pytest.raises(UserError, match='dataset_coco.json does not exist: the '
                     "split 'test' of coco needs it; it comes from caption_d"):
    find('coco').queries(tmp_path, 'test')
  wrong = tmp_path / 'vatex' / 'vatex_public_test_english_v1.1.json'
  files.write_json(wrong, [{'video': 1}])
  with pytest.raises(UserError, match="entry 0 has no field 'videoID'"):
    find('vatex').queries(tmp_path, 'test')
  wrong.write_text('[]')
  with pytest.raises(UserError, match="has no samples of the split 'test'"):
    find('vatex').queries(tmp_path, 'test')
  wrong.write_text('{')
  with pytest.raises(UserError, match='is not JSON'):
    find('vatex').queries(tmp_path, 'test')

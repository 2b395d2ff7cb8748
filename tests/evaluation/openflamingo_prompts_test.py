# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenFlamingo's prompts: the strings that its makers' code makes, by hand."""

import dataclasses
import json

import numpy as np
import pytest

from flamingo_jax import cli
from flamingo_jax.data.documents import image
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import stored_cards
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import report
from flamingo_jax.evaluation.prompts import Sample, as_text
from tests.convert.tokenizer_test import write_tokenizer
from tests.convert.tokenizer_test import convert as convert_tokenizer
from tests.evaluation.answerers import Oracle, evaluate

NAMES = ('coco', 'flickr30k', 'vqav2', 'okvqa', 'textvqa', 'vizwiz',
         'hateful_memes', 'imagenet')


@pytest.fixture(scope='module')
def vocabulary(tmp_path_factory):
  """A GPT-NeoX's, with the entries that an OpenFlamingo adds."""
  folder = write_tokenizer(tmp_path_factory.mktemp('words'), 'gpt_neox')
  path = convert_tokenizer(folder).path
  with open(path, encoding='utf-8') as file:
    told = json.load(file)
  with open(path, 'w', encoding='utf-8') as file:
    json.dump(told | {'added': ['<|endofchunk|>', '<image>']}, file)
  return Vocabulary(path)


@pytest.fixture
def converted(vocabulary):
  """Makes an Oracle with the words of a converted OpenFlamingo."""

  class Converted(Oracle):

    def __init__(self, queries):
      super().__init__(queries)
      self.vocabulary = vocabulary

    def generate(self, asked, **options):
      self.options = options
      return [
          f' "{text}" Output:x' if prompt[-1] == 'Output:'
          else f'{text}, or not Short answer:x'
          for prompt, text in zip(asked, super().generate(asked, **options))
      ]

  return Converted


def made(name, fields, answers):
  """Texts of a query behind two shots, and behind none."""
  row = paper_benchmarks.find(name, 'openflamingo')
  picture = image(np.zeros((8, 8, 3), np.uint8))
  samples = [
      Sample((picture,), row.prompt.format(**field), (answer,), f'x:{i}', i)
      for i, (field, answer) in enumerate(zip(fields, answers))
  ]
  query = samples.pop()
  text_only = [dataclasses.replace(shot, media=()) for shot in samples]
  assert row.shows_texts_at_zero
  return [
      as_text(prompts.join(shots, query, row.style))
      .replace('<EOC>', '<|endofchunk|>')
      for shots in (samples, text_only)
  ]


# What get_caption_prompt, get_vqa_prompt, get_imagenet_prompt and
# get_hateful_memes_prompt make, joined as evaluate.py joins them.
@pytest.mark.parametrize('names, fields, answers, with_shots, without', [
    (('coco', 'flickr30k'), [{}, {}, {}], [' A cat. ', 'A dog', ''],
     '<image>Output:A cat.<|endofchunk|>\n<image>Output:A dog<|endofchunk|>\n'
     '<image>Output:',
     'Output:A cat.<|endofchunk|>\nOutput:A dog<|endofchunk|>\n<image>Output:'),
    (('vqav2', 'okvqa', 'textvqa', 'vizwiz'),
     [{'question': f'Is it {i}?'} for i in range(3)], ['yes', 'no', ''],
     '<image>Question:Is it 0? Short answer:yes<|endofchunk|>\n'
     '<image>Question:Is it 1? Short answer:no<|endofchunk|>\n'
     '<image>Question:Is it 2? Short answer:',
     'Question:Is it 0? Short answer:yes<|endofchunk|>\n'
     'Question:Is it 1? Short answer:no<|endofchunk|>\n'
     '<image>Question:Is it 2? Short answer:'),
    (('imagenet',), [{}, {}, {}], ['tench', 'goldfish', ''],
     '<image>Output:tench<|endofchunk|><image>Output:goldfish<|endofchunk|>'
     '<image>Output:',
     'Output:tench<|endofchunk|>Output:goldfish<|endofchunk|><image>Output:'),
    (('hateful_memes',), [{'text': f'"{i}"'} for i in range(3)],
     ['yes', 'no', ''],
     "<image>is an image with: '\"0\"' written on it. Is it hateful? "
     "Answer:yes<|endofchunk|><image>is an image with: '\"1\"' written on it. "
     "Is it hateful? Answer:no<|endofchunk|><image>is an image with: '\"2\"' "
     'written on it. Is it hateful? Answer:',
     "is an image with: '\"0\"' written on it. Is it hateful? "
     "Answer:yes<|endofchunk|>is an image with: '\"1\"' written on it. "
     "Is it hateful? Answer:no<|endofchunk|><image>is an image with: '\"2\"' "
     'written on it. Is it hateful? Answer:'),
])
def test_prompts_are_the_strings_of_the_makers_code(
    names, fields, answers, with_shots, without
):
  for name in names:
    assert made(name, fields, answers) == [with_shots, without]


def test_tokens_have_one_end_of_chunk_and_a_line_between_shots(vocabulary):
  row = paper_benchmarks.find('vqav2', 'openflamingo')
  picture = image(np.zeros((8, 8, 3), np.uint8))
  text = lambda i: row.prompt.format(question=f'is it {i}')
  shots = [Sample((picture,), text(i), ('yes',), 'x', i) for i in range(2)]
  query = Sample((picture,), text(2), (), 'x', 2)
  found = tokenize_document(
      prompts.join(shots, query, row.style), vocabulary, close=False
  )
  tag, eoc = vocabulary.image_tag, [vocabulary.eoc_id]
  expected = []
  for shot in shots:
    expected += tag + vocabulary.encode(f'{shot.text}yes') + eoc
    expected += vocabulary.encode('\n')
  assert found.tokens.tolist() == expected + tag + vocabulary.encode(text(2))


@pytest.mark.parametrize('name', ['coco', 'vqav2'])
@pytest.mark.parametrize('more', [{}, {'shots': 0}, {'fixed_shots': True}])
def test_answers_are_cut_as_the_makers_cut_them(
    name, more, converted, data, tmp_path
):
  card, model = evaluate(
      data, tmp_path, name, converted, prompts='openflamingo', limit=3, **more
  )
  metric, *_ = card['scores'].values()
  assert metric['score'] > 80
  assert as_text(model.asked[0]).count('<EOC>\n') == 2
  assert model.options['beams'] == 3
  assert card['decoding']['max_new_tokens'] == {'coco': 20, 'vqav2': 5}[name]
  folder = f'{name}_{card["settings"]["split"]}_{card["settings"]["shots"]}shot'
  (path,) = tmp_path.glob(f'{folder}_openflamingo_*/predictions.json')
  said = [tuple(entry.values())[1] for entry in json.loads(path.read_text())]
  gone = '"' if name == 'coco' else ','  # captions have commas
  assert all(text and gone not in text and 'utput' not in text for text in said)


def test_shots_have_the_first_annotator_s_answer(data):
  file = 'v2_mscoco_train2014_annotations.json'
  told = json.loads((data / 'vqav2' / file).read_text())['annotations']
  first = {x['question_id']: x['answers'][0]['answer'] for x in told}
  row = paper_benchmarks.find('vqav2', 'openflamingo')
  samples = row.queries(data, 'train')
  assert {s.record['question_id']: s.answers[0] for s in samples} == first


class Long(Oracle):
  """Finds every token as likely as any other."""

  def likelihoods(self, query, candidates):
    return [
        5 - float(len(self.vocabulary.encode(text))) for text in candidates
    ]


def test_rankings_are_of_means_over_tokens_behind_two_texts(data, tmp_path):
  card, model = evaluate(
      data, tmp_path, 'hateful_memes', Long, prompts='openflamingo', shots=0,
      split='test_seen', limit=4,
  )
  prompt = as_text(model.asked[0])
  assert prompt.count('<EOC>') == 2 and prompt.count('<image>') == 1
  assert prompt.startswith("is an image with: '")
  assert model.separators == {''}
  (path,) = tmp_path.glob('*/predictions.csv')
  shares = [row.split(',')[1] for row in path.read_text().splitlines()[1:]]
  assert set(map(float, shares)) == {0.5}
  assert any('see' in sentence for sentence in card['prompt']['differs'])


def test_a_card_says_whose_prompts_it_has(converted, data, tmp_path):
  paper, _ = evaluate(data, tmp_path, limit=2)
  theirs, _ = evaluate(
      data, tmp_path, model=converted, limit=2, prompts='openflamingo'
  )
  assert len(list(tmp_path.glob('vqav2_*/card.json'))) == 2
  for card, name, template in (
      (paper, 'paper', 'Question: {question} Answer:'),
      (theirs, 'openflamingo', 'Question:{question} Short answer:'),
  ):
    assert card['settings']['prompts'] == name
    assert card['prompt']['style']['name'] == name
    assert card['prompt']['template'] == template
    assert bool(card['prompt']['differs']) == (name != 'paper')
    rows = report.summarise([card])
    assert rows[0]['prompts'] == name
    told = f'prompts: those of {name}' in report.table_of_scores(rows)
    assert told == (name != 'paper')
  theirs['predictions'] = paper['predictions']
  with pytest.raises(UserError, match='those of paper in the one card and of o'):
    stored_cards.check_replay(paper, theirs)
  del paper['settings']['prompts']  # as cards had it before
  stored_cards.check_replay(paper, paper)


def test_rows_of_the_paper_stay_as_they_are():
  for name in paper_benchmarks.PROMPTS['paper']:
    row = paper_benchmarks.BENCHMARKS[name]
    assert paper_benchmarks.find(name) == row
    assert paper_benchmarks.find(name, 'paper') == row
    assert row.style == prompts.PAPER and not row.differs
  assert tuple(paper_benchmarks.PROMPTS['openflamingo']) == NAMES


def test_what_has_no_prompt_is_one_sentence(data, tmp_path, capsys):
  with pytest.raises(UserError, match='openflamingo has published no prompt '
                     'for star, but for coco, flickr30k, vqav2, okvqa, textvqa'):
    paper_benchmarks.find('star', 'openflamingo')
  with pytest.raises(UserError, match="'otter' and must be one of paper, openf"):
    paper_benchmarks.find('coco', 'otter')
  with pytest.raises(UserError, match='for an OpenFlamingo that `flamingo con'):
    evaluate(data, tmp_path, prompts='openflamingo')
  for more in ('--list', '--replay=card.json', '--gin_file=x.gin'):
    assert cli.main(['eval', more, '--prompts=openflamingo']) == 2
    assert f'--prompts is for --benchmark: with {more.split("=")[0]} leave' in (
        capsys.readouterr().err
    )

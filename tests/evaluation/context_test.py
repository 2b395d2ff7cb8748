# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts that are longer than a model reads: few count as wrong, more don't."""

import json

import pytest

from flamingo_jax import cli
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import report
from tests.evaluation.answerers import Oracle, evaluate, examples
from tests.evaluation.miniature import files


@pytest.fixture
def hundred(data, tmp_path):
  """DATA with 100 questions and 100 memes; of each two are longer."""
  for name in ('vqav2', 'hateful_memes'):
    folder = tmp_path / 'data' / name
    folder.mkdir(parents=True)
    for path in (data / name).iterdir():
      (folder / path.name).symlink_to(path)
  text = lambda i: f'which number is {100 + i} {"?" * 40 * max(0, i - 97)}'

  def replace(name, file, write, value):
    path = tmp_path / 'data' / name / file
    path.unlink()
    write(path, value)

  folder = data / 'hateful_memes'
  memes = (folder / 'test_seen.jsonl').read_text().split('\n')[:2]
  replace('hateful_memes', 'test_seen.jsonl', files.write_text, [
      json.dumps(json.loads(memes[i % 2]) | {
          'id': i, 'text': text(i), 'label': i % 2
      }) for i in range(100)
  ])
  file = 'v2_OpenEnded_mscoco_val2014_questions.json'
  (first, *_) = json.loads((data / 'vqav2' / file).read_text())['questions']
  replace('vqav2', file, files.write_json, {'questions': [
      first | {'question_id': i, 'question': text(i)} for i in range(100)
  ]})
  replace(
      'vqav2', 'v2_mscoco_val2014_annotations.json', files.write_json,
      {'annotations': [
          {'question_id': i, 'answers': [{'answer': f'n{i}'}] * 10}
          for i in range(100)
      ]},
  )
  return tmp_path / 'data'


@pytest.mark.parametrize('name, scores', [
    ('vqav2', {'vqa_accuracy': 99}),
    # The one is likelier than all of the 50 others to be what it is not.
    ('hateful_memes', {'roc_auc': 98}),
])
def test_few_prompts_beyond_the_context_count_as_wrong(
    hundred, tmp_path, name, scores
):
  whole, _ = evaluate(hundred, tmp_path / 'whole', name, shots=0)
  assert whole['prompt']['beyond_context'] == []
  assert next(iter(whole['scores'].values()))['score'] == 100
  longest = whole['prompt']['longest']
  short = lambda context: type('Short', (Oracle,), {'context': context})
  row = paper_benchmarks.find(name)
  room = row.max_new_tokens or len(default_vocabulary().encode(' yes'))
  fits, oracle = evaluate(
      hundred, tmp_path / 'fits', name, short(longest + room), shots=0
  )
  assert fits['predictions'] == whole['predictions']
  card, oracle = evaluate(
      hundred, tmp_path / 'one', name, short(longest + room - 1), shots=0
  )
  assert card['prompt']['beyond_context'] == [f'{name}:{row.split}:99']
  assert card['queries'] == 100 and len(oracle.asked) == 99
  for metric, score in scores.items():
    assert card['scores'][metric]['score'] == pytest.approx(score)
  # Of a ranking: whether the last candidate is right, and its probability.
  value = examples(tmp_path / 'one', card)[99]['value']
  assert value == pytest.approx(0 if name == 'vqav2' else [1, 0])
  table = report.table_of_scores(report.summarise([card]))
  assert '1 of 100 queries with 0 shots count as wrong' in table

  asked = []
  model = short(longest - 40)
  model.generate = model.score = lambda *args, **options: asked.append(args)
  with pytest.raises(UserError) as error:
    evaluate(hundred, tmp_path / 'two', name, model, shots=0)
  told = str(error.value)
  assert told.startswith(f'2 of 100 prompts of {name} with 0 shots are longer')
  assert f'{longest + room} tokens' in told and 'ask for fewer shots' in told
  assert not asked


def test_no_number_of_shots_is_asked_if_one_is_beyond_the_context(
    data, run_dir, tmp_path, capsys
):
  assert cli.main([
      'eval', '--benchmark=vqav2', f'--data={data}', '--shots=0,16',
      f'--model_dir={run_dir}', f'--out={tmp_path}',
  ]) == 2
  assert '32 of 32 prompts of vqav2 with 16 shots' in capsys.readouterr().err
  assert not list(tmp_path.iterdir())

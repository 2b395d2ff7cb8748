# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks as seqio tasks: the prompts and scores of `flamingo eval`."""

import pytest
import seqio

from flamingo_jax.data import pipeline
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks as table
from flamingo_jax.evaluation import prompts
from flamingo_jax.tasks import benchmarks
from tests.evaluation import miniature
from tests.evaluation.conftest import make_prompt
from tests.evaluation.miniature import choices

LENGTHS = {'tokens': 256, 'media': 3, 'image_size': 16, 'targets': 16}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  for name in ('vqav2', 'visdial', 'matching_mi'):
    miniature.WRITERS[name](folder / name)
  return folder


def targets(task, split):
  dataset = task.get_dataset(LENGTHS, split, shuffle=False)
  return [
      task.postprocess_fn(
          example['targets_pretokenized'].decode(), example=example,
          is_target=True,
      )
      for example in dataset.as_numpy_iterator()
  ]


def test_a_question_has_its_prompt_and_its_accuracy(data):
  name = benchmarks.mixture('vqav2', data, shots=(0, 2))
  assert name == 'vqav2_benchmark'
  tasks = pipeline.mixture_tasks(name)
  assert [task.name for task in tasks] == ['vqav2_0shot', 'vqav2_2shot']
  row = table.find('vqav2')
  pool = row.pool(data)
  for task, shots in zip(tasks, (0, 2)):
    found = targets(task, 'validation')
    for target, query in zip(
        found, row.queries(data, 'validation'), strict=True
    ):
      expected = make_prompt(query, pool, shots, 0, True)
      assert target['prompt'] == prompts.as_text(expected)
      assert target['record'] == query.record
    first, _ = task.predict_metric_fns
    said = [
        task.postprocess_fn(f'{t["answers"][0]} Question: x', is_target=False,
                            example={})
        for t in found
    ]
    assert first(found, said)['vqa_accuracy'] == 93.75


def test_controls_are_tasks_of_the_same_queries(data):
  names = ('no_pictures', 'shuffled_labels')
  found = {
      task.name: task for task in pipeline.mixture_tasks(
          benchmarks.mixture('vqav2', data, shots=(0, 2), controls=names)
      )
  }
  assert list(found) == [
      'vqav2_0shot', 'vqav2_0shot_no_pictures', 'vqav2_2shot',
      'vqav2_2shot_no_pictures', 'vqav2_2shot_shuffled_labels',
  ]
  whole, blind, shuffled = (
      next(task.get_dataset(LENGTHS, 'validation', shuffle=False)
           .as_numpy_iterator()) for task in list(found.values())[2:]
  )
  assert whole['media_mask'].all() and not blind['media_mask'].any()
  text = whole['prompt_pretokenized'].decode()
  assert text.replace('<image>', '') == blind['prompt_pretokenized'].decode()
  assert (shuffled['media'] == whole['media']).all()
  assert shuffled['labels'].tolist() == whole['labels'].tolist()[::-1]
  with pytest.raises(UserError, match="'blind' must be one of no_pictures"):
    benchmarks.mixture('vqav2', data, controls=('blind',))


def test_candidates_are_those_of_each_query(data):
  benchmarks.mixture('visdial', data, shots=(1,))
  task = seqio.TaskRegistry.get('visdial_1shot')
  found = targets(task, 'validation')
  count = choices.OPTIONS  # of each of 24 dialogues
  assert len(found) == 24 * count
  assert found[2]['candidate'] == 'it is the rim'
  (metric,) = task.score_metric_fns
  scores = [
      target['record']['relevance'][i % count] for i, target in enumerate(found)
  ]
  assert metric(found, scores)['ndcg'] == 100
  assert metric(found, [-score for score in scores])['ndcg'] == 0


def test_queries_bring_their_makers_shots_and_pictures(data):
  benchmarks.mixture('matching_mi', data, shots=(1,))
  task = seqio.TaskRegistry.get('matching_mi_1shot')
  lengths = LENGTHS | {'tokens': 512, 'media': 6}
  (first, *_) = task.get_dataset(
      lengths, 'query', shuffle=False
  ).as_numpy_iterator()
  assert first['media_mask'].sum() == 6
  row = table.find('matching_mi')
  (query, *_) = row.queries(data, 'query')
  shots = row.rule.choose(query, row.pool(data), 1, 0)
  expected = prompts.as_text(prompts.join(shots, query, row.style))
  assert first['prompt_pretokenized'].decode() == expected
  with pytest.raises(UserError, match='matching_mi has no training split'):
    benchmarks.finetuning('matching_mi', data, 'top1')


def test_a_missing_file_is_one_sentence(tmp_path):
  with pytest.raises(UserError, match='it comes from vizwiz.org'):
    benchmarks.mixture('vizwiz', tmp_path)


def test_a_split_without_answers_has_no_task(data):
  (first, *_) = (data / 'vqav2').glob('v2_OpenEnded*val2014_questions.json')
  name = first.name.replace('val2014', 'test-dev2015')
  (data / 'vqav2' / name).write_text(first.read_text())
  (data / 'vqav2' / 'test2015').mkdir()
  for path in (data / 'vqav2' / 'val2014').iterdir():
    name = path.name.replace('val2014', 'test2015')
    (data / 'vqav2' / 'test2015' / name).symlink_to(path)
  with pytest.raises(UserError, match="no answers in the split 'test_dev'"):
    benchmarks.mixture('vqav2', data, split='test_dev')

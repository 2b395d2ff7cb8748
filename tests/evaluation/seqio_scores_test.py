# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in evaluate and infer, whole, and their complaints."""

import json
import pathlib

import numpy as np
import pytest
import seqio

from flamingo_jax import gin_config, models
from flamingo_jax.data import features, owner
from flamingo_jax.data.vocabulary import default_vocabulary, train_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import output_dir
from flamingo_jax.evaluation import seqio_answers
from flamingo_jax.evaluation import seqio_scores
from flamingo_jax.run_dir.checkpoint import RestoreCheckpointConfig
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trainable import split_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.evaluation.conftest import (
    CONFIG,
    LENGTHS,
    NAMES,
    QUERIES,
    SUPPORTS,
    make_prompt,
)
from tests.random_weights import random_weights, save_run


@pytest.fixture(scope='module', autouse=True)
def mixture(model):
  del model  # registers the tasks
  features.add_mixture(
      'all', dict.fromkeys(('open_0shot', 'open_2shot', 'close_2'), 1.0)
  )


def configuration(model, path, output_dir, **changes):
  cfg = {
      'mixture_or_task_name': 'all', 'task_feature_lengths': LENGTHS,
      'split': 'test', 'batch_size': 8,
  } | changes
  return {
      'model': model,
      'dataset_cfg': seqio_scores.EvaluationDatasetConfig(**cfg),
      'restore_checkpoint_cfg': RestoreCheckpointConfig(path=str(path)),
      'partitioner': Partitioner(),
      'output_dir': str(output_dir),
      'summarize_config_fn': gin_config.write_config,
  }


def evaluate(*args, num_examples=None, **changes):
  def evaluator(**kwargs):
    return seqio.Evaluator(
        logger_cls=[seqio_scores.ScoresLogger], num_examples=num_examples,
        **kwargs,
    )

  return seqio_scores.evaluate(
      **configuration(*args, **changes), inference_evaluator_cls=evaluator
  )


def read_lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def test_scores_are_those_of_the_predictor(
    model, predictor, run_dir, tmp_path, capsys
):
  scores = evaluate(model, run_dir, tmp_path)

  asked = [make_prompt(q, SUPPORTS, 2, 0, True) for q in QUERIES]
  best = predictor.score(asked, NAMES).argmax(axis=1)
  hits = [NAMES[i] == q.answers[0] for i, q in zip(best, QUERIES)]
  wrong = {'top1': 0.0, 'top1_low': 0.0, 'top1_high': 0.0}
  assert scores['open_0shot'] == wrong
  beside = {'majority': 40.0, 'last': 40.0, 'copied': 0.0, 'shown': 80.0}
  assert scores['open_2shot'] == wrong | {
      f'top1_{name}': value for name, value in beside.items()
  }
  close = scores['close_2']
  assert close['top1'] == pytest.approx(100 * np.mean(hits))
  assert 0 < np.mean(hits) < 1

  *lines, last = capsys.readouterr().out.splitlines()
  assert [line.split() for line in lines] == [
      'task control metric 0 shots 2 shots'.split(),
      'open - top1 0.0 ±0.0 0.0 ±0.0'.split(),
      ['open', 'majority', 'top1', '40.0'], ['open', 'last', 'top1', '40.0'],
      ['open', 'copied', 'top1', '0.0'], ['open', 'shown', 'top1', '80.0'],
      *(['close_2', name, f'{value:.4f}'] for name, value in close.items()),
  ]
  assert list(close) == ['top1', 'top1_low', 'top1_high'] + [
      f'top1_{name}' for name in beside
  ]
  record = {'model_dir': str(run_dir), 'step': 7, 'scores': scores}
  assert last == f'all scores: {tmp_path / "results.json"}'
  assert json.loads((tmp_path / 'results.json').read_text()) == record
  assert (tmp_path / 'shots.csv').read_text().splitlines()[1:] == [
      'open,,top1,0,0.0,0.0,0.0', 'open,,top1,2,0.0,0.0,0.0',
      *(f'open,{name},top1,2,{value},,' for name, value in beside.items()),
  ]
  assert (tmp_path / 'shots.png').is_file()
  folder = tmp_path / 'inference_eval'
  outputs = read_lines(folder / 'open_2shot-outputs.jsonl')
  assert [row['prediction'] for row in outputs] == predictor.generate(
      asked, beams=3, max_new_tokens=LENGTHS['targets']
  )
  assert [row['source'] for row in outputs] == [q.source for q in QUERIES]
  assert read_lines(folder / 'open_2shot-metrics.jsonl') == [
      {'step': 7} | scores['open_2shot']
  ]


def test_half_a_query_is_one_sentence(model, run_dir, tmp_path):
  with pytest.raises(UserError, match='^6 examples are not whole queries of 4'):
    evaluate(model, run_dir, tmp_path, num_examples=6,
             mixture_or_task_name='close_2')


def infer(mode, *args, checkpoint_period=1, **changes):
  return seqio_answers.infer(
      mode=mode, checkpoint_period=checkpoint_period,
      **configuration(*args, **changes),
  )


def test_infer_goes_on_where_it_was_interrupted(
    model, run_dir, tmp_path, monkeypatch
):
  whole, broken = tmp_path / 'whole', tmp_path / 'broken'
  arguments = {'mixture_or_task_name': 'close_2', 'batch_size': 8}
  (file,) = infer('score', model, run_dir, whole, **arguments)
  (expected,) = whole.glob('*.jsonl-*')
  assert file == str(expected)
  assert expected.name == 'close_2-score.jsonl-00000-of-00001'
  lines = read_lines(expected)
  assert len(lines) == len(QUERIES) * len(NAMES)
  assert lines[1]['inputs']['targets_pretokenized'] == NAMES[1]
  assert lines[1]['score'] < 0

  broken.mkdir()
  answer, calls = seqio_answers._lines, []

  def stop_at_the_third(*args):
    calls.append(args)
    if len(calls) == 3:
      raise KeyboardInterrupt
    return answer(*args)

  with monkeypatch.context() as patch:
    patch.setattr(seqio_answers, '_lines', stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
      infer('score', model, run_dir, broken, **arguments)
  (draft,) = broken.glob('*.tmp')
  assert len(draft.read_text().splitlines()) == 2
  draft.write_text(draft.read_text()[:-5])  # the second part is not whole
  calls.clear()
  monkeypatch.setattr(
      seqio_answers, '_lines', lambda *args: calls.append(args) or answer(*args)
  )
  infer('score', model, run_dir, broken, **arguments)
  assert (broken / expected.name).read_text() == expected.read_text()
  assert len(calls) == 2
  assert not list(broken.glob('*.tmp')) + list(broken.glob('.infer*'))

  monkeypatch.setattr(seqio_answers, '_lines', None)  # nothing is left to do
  assert infer('score', model, run_dir, broken, **arguments)


def test_answers_of_other_weights_are_not_kept(
    model, run_dir, tmp_path, capsys
):
  arguments = {'mixture_or_task_name': 'close_2', 'batch_size': 8}
  (file,) = infer('score', model, run_dir, tmp_path, **arguments)
  before = read_lines(pathlib.Path(file))
  params, frozen_params = split_params(random_weights(CONFIG, scale=0.2))
  save_run(
      tmp_path / 'other', CONFIG, 7, params, frozen_params, max_media=3,
      frames=2,
  )
  capsys.readouterr()
  assert infer('score', model, tmp_path / 'other', tmp_path, **arguments) == [
      file
  ]
  after = read_lines(pathlib.Path(file))
  assert [row['inputs'] for row in after] == [row['inputs'] for row in before]
  assert all(x['score'] != y['score'] for x, y in zip(after, before))
  assert capsys.readouterr().err == (
      f'{file}: answered again, as it was made from other weights\n'
  )


def test_a_folder_of_results_is_of_one_program_at_a_time(
    model, run_dir, tmp_path
):
  with owner.owned(tmp_path), pytest.raises(
      UserError, match='written by another process'
  ):
    evaluate(model, run_dir, tmp_path, mixture_or_task_name='close_2')
  with owner.owned(tmp_path, '.infer-00000-of-00001.lock'), pytest.raises(
      UserError, match='written by another process'
  ):
    infer('score', model, run_dir, tmp_path, mixture_or_task_name='close_2')


def test_shards_share_the_queries(model, run_dir, tmp_path):
  options = {'mixture_or_task_name': 'open_2shot'}
  cfg = configuration(model, run_dir, tmp_path, **options)
  parts = [
      seqio_answers.infer(
          mode='predict_with_aux', checkpoint_period=1, shard_id=i,
          num_shards=2, **cfg,
      )
      for i in range(2)
  ]
  rows = [
      json.loads(line) for (path,) in parts for line in open(path)
  ]
  assert {row['inputs']['source_pretokenized'] for row in rows} == {
      q.source for q in QUERIES
  }
  assert all(row['aux']['scores'] < 0 for row in rows)


def other_vocabulary(tmp_path):
  return train_vocabulary(['a b c'] * 50, tmp_path / 'other.model', 400)


def test_what_does_not_fit_is_one_sentence(model, run_dir, tmp_path):
  def error(sentence, model=model, path=run_dir, **changes):
    with pytest.raises(UserError, match=sentence) as raised:
      evaluate(model, path, tmp_path / 'output', **changes)
    assert '\n' not in str(raised.value)
    assert not (tmp_path / 'output').exists()

  error('no checkpoint in .*nowhere', path=tmp_path / 'nowhere')
  error('no checkpoint of step 8', path=run_dir / 'checkpoint_8')
  error("no mixture or task 'al'", mixture_or_task_name='al')
  error("has no split 'tset'; it has test", split='tset')
  error('3 rows .* 8 devices: make every', batch_size=3)
  error('batch_size is 0', batch_size=0)
  error("raise 'media'", task_feature_lengths=LENGTHS | {'media': 1})
  wide = models.FlamingoConfig.from_dict(
      CONFIG.to_dict() | {'image_size': 32}
  )
  error('another architecture: image_size is 16 there and 32',
        model=FlamingoModel(wide, default_vocabulary(), None))
  other = other_vocabulary(tmp_path)
  values = CONFIG.to_dict()
  values['decoder'] |= {'vocab': other.base_size}
  small = models.FlamingoConfig.from_dict(values)
  error('give both the same vocabulary',
        model=FlamingoModel(small, other, None))


def test_infer_refuses_what_it_cannot_do(model, run_dir, tmp_path):
  def error(sentence, mode, **changes):
    with pytest.raises(UserError, match=sentence):
      infer(mode, model, run_dir, tmp_path, **changes)

  error("mode is 'guess' and must be one of predict, score", 'guess')
  error('checkpoint_period is 0', 'predict', checkpoint_period=0)
  error("mode 'score' is for tasks with candidates", 'score',
        mixture_or_task_name='open_2shot')


def test_a_checkpoint_s_scores_are_not_put_among_its_weights():
  assert output_dir.evaluation_dir('runs/a') == 'runs/a/eval'
  assert output_dir.inference_dir('runs/a/checkpoint_5') == (
      'runs/a/infer_checkpoint_5'
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot scores in training are those of the checkpoint, of either driver."""

import sys

import gin
import pytest
import seqio

from flamingo_jax import gin_program
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.seqio_scores import EvaluationDatasetConfig, evaluate
from flamingo_jax.evaluation.seqio_scores import FewShotEvaluator
from flamingo_jax.models import variants
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import LanguageModel
from tests.random_weights import ONE_BLOCK
from tests.t5x import three_scores
from tests.t5x.eval_test import check_same, options, read_lines
from tests.t5x.program import ROOT, flags, run_built_in
from tests.t5x.train_test import FILES, NO_EVALUATION, bindings

STEPS = 2


def run(model_dir, *more):
  """The entry of a plan."""
  return {
      'name': 'run', 'files': (*FILES, 'tests/t5x/fewshot.gin'), 'devices': 1,
      'bindings': bindings(
          model_dir, 'EVAL_PERIOD=1', 'CHECKPOINT_PERIOD=1', *more, steps=STEPS
      ),
  }


@pytest.fixture(scope='module')
def built_in_run(tmp_path_factory):
  folder = tmp_path_factory.mktemp('built_in')
  run_built_in([run(folder)])
  return folder


@pytest.fixture(scope='module')
def t5x_run(tmp_path_factory, run_module):
  folder = tmp_path_factory.mktemp('t5x')
  run_module(1, 't5x.train', *flags(run(folder, NO_EVALUATION)))
  return folder


@pytest.mark.parametrize('driver', ['built_in', 't5x'])
def test_scores_of_a_run_are_those_of_its_checkpoint(
    driver, request, tmp_path, monkeypatch
):
  run_dir = request.getfixturevalue(f'{driver}_run')
  monkeypatch.chdir(ROOT)
  monkeypatch.setitem(sys.modules, '__main__', sys.modules[evaluate.__module__])
  logged, expected = run_dir / 'inference_eval', tmp_path / 'inference_eval'
  gin.clear_config()
  assert gin_program.run(
      evaluate, options('eval', run_dir, tmp_path, 'NUM_EXAMPLES=48')
  ) == 0
  gin.clear_config()
  for task in three_scores.TASKS:
    name = f'{task}-metrics.jsonl'
    *_, last = found = read_lines(logged / name)
    assert [line['step'] for line in found] == list(range(1, STEPS + 1))
    assert [last] == read_lines(expected / name)
    name = f'{task}-outputs.jsonl'  # what was answered to each example at last
    check_same(read_lines(logged / name), read_lines(expected / name))


def test_the_log_of_a_run_has_them(built_in_run):
  lines = read_lines(built_in_run / 'metrics.jsonl')
  found = [line for line in lines if 'eval/colours/top1' in line]
  assert [line['step'] for line in found] == list(range(1, STEPS + 1))
  expected = read_lines(
      built_in_run / 'inference_eval' / 'colours-metrics.jsonl'
  )
  for line, scores in zip(found, expected):
    assert line['eval/colours/top1'] == scores['top1'] > 0
    assert 'eval/loss/pages' in line


def test_a_model_that_answers_nothing_is_one_sentence():
  config = variants.get('flamingo_small', ONE_BLOCK)
  model = LanguageModel(config, default_vocabulary(), None)
  cfg = EvaluationDatasetConfig('three_scores', {}, 'validation', 8)
  with pytest.raises(UserError, match='this is a LanguageModel, which answers'):
    FewShotEvaluator(model, Partitioner(), cfg, seqio.Evaluator, '')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""t5x's own eval and infer give what the built-in ones give."""

import json
import sys

import gin
import numpy as np
import pytest

from flamingo_jax import gin_program
from flamingo_jax.evaluation.seqio_scores import evaluate
from flamingo_jax.evaluation.seqio_answers import infer
from flamingo_jax.models import variants
from flamingo_jax.training.trainable import split_params
from tests.random_weights import ONE_BLOCK, random_weights, save_run
from tests.t5x import three_scores
from tests.t5x.program import ROOT, flags

LENGTHS = {'tokens': 160, 'media': 5, 'image_size': 16, 'targets': 6}
TWO_BY_TWO = (
    "MESH_SHAPE={'fsdp': 2, 'model': 2}", "LOGICAL_AXIS_RULES='tensor_parallel'"
)


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  """MODEL_DIR of the built-in driver, random weights, step 3."""
  folder = tmp_path_factory.mktemp('run')
  config = variants.get('flamingo_small', ONE_BLOCK)
  params, frozen_params = split_params(random_weights(config, scale=0.3))
  save_run(folder, config, 3, params, frozen_params, max_media=5)
  return folder


def options(name, run_dir, output_dir, *more):
  return flags({
      'files': (f'configs/{name}_shapes.gin', 'tests/t5x/three_scores.gin'),
      'bindings': (
          f'MODEL_DIR={str(run_dir)!r}', f'OUTPUT_DIR={str(output_dir)!r}',
          f'TASK_FEATURE_LENGTHS={LENGTHS}', 'BATCH_SIZE=16', *more,
      ),
  })


@pytest.fixture
def built_in(monkeypatch):
  """Runs a function of the built-in driver as its program would."""

  def run(function, arguments):
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(
        sys.modules, '__main__', sys.modules[function.__module__]
    )
    assert gin_program.run(function, arguments) == 0

  gin.clear_config()
  yield run
  gin.clear_config()


def read_lines(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


def check_same(found, expected):
  """The same rows; numbers as far as the order of additions lets them be."""
  assert len(found) == len(expected) > 0
  for row, other in zip(found, expected):
    numbers, others = (x.pop('score', 0.0) for x in (row, other))
    assert row == other
    np.testing.assert_allclose(numbers, others, rtol=1e-4)


def test_eval_gives_the_same_scores_and_answers_on_other_devices(
    run_dir, tmp_path, built_in, run_module
):
  more = 'NUM_EXAMPLES=48', 'FRAMES=2', 'FPS=1.5'
  built_in(evaluate, options('eval', run_dir, tmp_path / 'own', *more))
  run_module(4, 't5x.eval', *options(
      'eval', run_dir, tmp_path / 'four', *more, *TWO_BY_TWO
  ))
  files = sorted((tmp_path / 'own' / 'inference_eval').iterdir())
  assert len(files) == 2 * len(three_scores.TASKS)
  for file in files:
    other = tmp_path / 'four' / 'inference_eval' / file.name
    check_same(read_lines(other), read_lines(file))
  assert read_lines(files[0])[0]['step'] == 3
  for task in ('colours', 'pictured_words'):
    (ranked,) = (f for f in files if f.name == f'{task}-outputs.jsonl')
    assert len({row['score'] for row in read_lines(ranked)}) > 24


def test_infer_writes_the_same_lines(run_dir, tmp_path, built_in, run_module):
  more = ('MIXTURE_OR_TASK_NAME="questions"', 'CHECKPOINT_PERIOD=3',
          'FRAMES=2', 'FPS=1.5')
  built_in(infer, options('infer', run_dir, tmp_path / 'own', *more))
  run_module(
      1, 't5x.infer', *options('infer', run_dir, tmp_path / 'one', *more)
  )
  name = 'questions-predict_with_aux.jsonl-00000-of-00001'
  own, other = (read_lines(tmp_path / f / name) for f in ('own', 'one'))
  for row in own + other:
    row['score'] = row.pop('aux')['scores']
  check_same(other, own)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs: stopped and killed runs equal one that was left alone."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.xla_flags import QUICK

ROOT = pathlib.Path(__file__).parents[2]
# Killed within a log line's steps, stopped anywhere, evaluated in between.
STEPS = 14
SMALL = {
    'vision': 'one_block', 'decoder.layers': 2, 'decoder.width': 16, 'decoder.heads': 2,
    'decoder.head_size': 8, 'resampler.layers': 1, 'resampler.width': 16,
    'image_size': 32,
}
LENGTHS = {
    'shapes_pairs': {'tokens': 16, 'media': 1, 'image_size': 32},
    'shapes_video': {'tokens': 16, 'media': 1, 'frames': 2, 'image_size': 32},
    'shapes_m3w': {'tokens': 24, 'media': 2, 'image_size': 32},
}


@pytest.fixture(scope='module')
def launch(compilation_cache):
  """Starts `python -m flamingo_jax.train` on one device."""

  def start(model_dir, *options):
    environment = os.environ | {
        'XLA_FLAGS': QUICK,
        'JAX_COMPILATION_CACHE_DIR': compilation_cache,
    }
    return subprocess.Popen(
        [
            sys.executable, '-m', 'flamingo_jax.train',
            '--gin_file=configs/flamingo_tiny.gin',
            '--gin_file=tests/t5x/two_tasks.gin',  # has the vision encoder
            '--gin.MIXTURE_OR_TASK_NAME=shapes',
            f'--gin.MODEL_DIR={model_dir}',
            f'--gin.TRAIN_STEPS={STEPS}',
            '--gin.STATS_PERIOD=2',
            '--gin.CHECKPOINT_PERIOD=3',
            '--gin.EVAL_PERIOD=5',
            '--gin.train.eval_steps=1',
            f'--gin.variant.overrides={SMALL}',
            f'--gin.TASK_FEATURE_LENGTHS={LENGTHS}',
            '--gin.BATCH_SIZES={"shapes_m3w": 2, "shapes_pairs": 4, '
            '"shapes_video": 2}',
            *options,
        ],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )

  return start


def lines(model_dir):
  path = model_dir / 'metrics.jsonl'
  return path.read_text().splitlines() if path.exists() else []


def numbers(model_dir):
  """The log without its timings."""
  return [
      {
          key: value
          for key, value in json.loads(line).items()
          if not key.endswith(('_seconds', '_second', '_share'))
      }
      for line in lines(model_dir)
  ]


def wait_for_step(process, model_dir, step):
  while process.poll() is None:
    # A killed run's old lines are dropped before new ones are written.
    if any(f'"step": {step},' in line for line in lines(model_dir)):
      return
    time.sleep(0.01)
  pytest.fail(process.stderr.read())


@pytest.fixture(scope='module')
def uninterrupted(launch, tmp_path_factory):
  model_dir = tmp_path_factory.mktemp('uninterrupted')
  process = launch(model_dir)
  assert process.wait() == 0, process.stderr.read()
  return model_dir


def test_a_killed_and_stopped_run_equals_an_uninterrupted_one(
    launch, tmp_path, uninterrupted
):
  process = launch(tmp_path)
  wait_for_step(process, tmp_path, 5)
  process.kill()
  process.wait()
  process = launch(tmp_path)
  wait_for_step(process, tmp_path, 8)
  process.send_signal(signal.SIGTERM)
  assert process.wait() == 0
  said = re.search(
      'SIGTERM: stopped and saved at step ([0-9]+)', process.stderr.read()
  )
  assert 8 <= int(said[1]) < STEPS
  assert (tmp_path / f'checkpoint_{said[1]}').is_dir()
  process = launch(tmp_path)
  assert process.wait() == 0, process.stderr.read()
  assert numbers(tmp_path) == numbers(uninterrupted)
  assert [line['step'] for line in numbers(tmp_path)] == [
      2, 4, 5, 6, 8, 10, 12, 14
  ]


def test_a_run_from_cached_features_equals_one_that_encodes(
    launch, tmp_path, uninterrupted
):
  process = launch(tmp_path, '--gin.train.cache_media=True')
  assert process.wait() == 0, process.stderr.read()
  expected, found = numbers(uninterrupted), numbers(tmp_path)
  assert [line.keys() for line in found] == [line.keys() for line in expected]
  for line, other in zip(found, expected):
    assert line == pytest.approx(other, rel=1e-5), line['step']
  stored = tmp_path / 'media_cache/process_0/32x32/features'
  assert stored.stat().st_size > 0


def test_a_run_says_all_that_it_should(uninterrupted):
  last = json.loads(lines(uninterrupted)[5])
  assert last['step'] == 10
  for key in (
      'loss', 'loss/shapes_m3w', 'loss/shapes_pairs', 'loss/shapes_video',
      'eval/loss/shapes_pairs', 'grad_norm', 'learning_rate', 'step_seconds',
      'tokens_per_second', 'images_per_second', 'data_wait_share',
      'gate/attn/00', 'gate/ffw/01',
  ):
    assert isinstance(last[key], float), key
  assert {p.name for p in uninterrupted.iterdir()} == {
      'model.json', 'vocabulary.model', 'frozen', 'checkpoint_9',
      'checkpoint_12', 'checkpoint_14', 'metrics.jsonl', 'tensorboard',
      'config.gin',
  }
  assert 'TRAIN_STEPS = 14' in (uninterrupted / 'config.gin').read_text()


def test_what_is_not_finite_stops_the_run_and_names_its_examples(
    launch, tmp_path
):
  process = launch(
      tmp_path, '--gin.LEARNING_RATE=1e30', '--gin.WARMUP_STEPS=0',
      '--gin.MIXTURE_OR_TASK_NAME=shapes_pairs',
  )
  assert process.wait() == 2
  error = process.stderr.read().splitlines()[-1]
  assert error.startswith('error: step 2 is not finite (')
  assert 'shapes_pairs/loss_sum' in error
  ids = r"examples are {'shapes_pairs': \[\d+, \d+, \d+, \d+]}"
  assert re.search(ids, error)
  assert not list(tmp_path.glob('checkpoint_*'))


def test_a_run_starts_from_another_ones_checkpoint(
    launch, tmp_path, uninterrupted
):
  # The other run itself, made to read its data from the beginning again, and
  # a new run that has its checkpoint alone.
  shutil.copytree(uninterrupted, tmp_path / 'same')
  more = (
      '--gin.TRAIN_STEPS=18',
      '--gin.SaveCheckpointConfig.save_dataset=False',
  )
  from_other = f'--gin.INITIAL_CHECKPOINT_PATH={uninterrupted}'
  before = sorted(uninterrupted.rglob('*'))
  for name, options in (('same', more), ('new', (*more, from_other))):
    process = launch(tmp_path / name, *options)
    assert process.wait() == 0, process.stderr.read()
  assert sorted(uninterrupted.rglob('*')) == before
  same = [n for n in numbers(tmp_path / 'same') if n['step'] > STEPS]
  assert [n['step'] for n in same] == [15, 16, 18]  # 15 is evaluated
  assert numbers(tmp_path / 'new') == same


def test_another_run_without_a_checkpoint_is_told(launch, tmp_path):
  process = launch(tmp_path / 'new', '--gin.INITIAL_CHECKPOINT_PATH=nowhere')
  assert process.wait() == 2
  error = process.stderr.read().splitlines()[-1]
  assert error.startswith('error: nowhere') and 'MODEL_DIR' in error


@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='no /proc')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_imports_ends_the_program_in_one_line(
    launch, tmp_path, number
):
  process = launch(tmp_path / 'new')
  while process.poll() is None and not handles(process.pid, signal.SIGTERM):
    time.sleep(0.001)
  process.send_signal(number)
  assert process.wait() == 128 + number
  (line,) = process.stderr.read().splitlines()
  assert line.startswith(f'{number.name}: stopped while no step was under way')
  assert not list(tmp_path.iterdir())


def handles(pid, number):
  """Whether a process has a handler of the signal."""
  status = pathlib.Path(f'/proc/{pid}/status').read_text()
  caught = int(re.search(r'SigCgt:\s*(\w+)', status)[1], 16)
  return bool(caught >> (number - 1) & 1)


def test_a_wrong_name_is_one_sentence(launch, tmp_path):
  process = launch(tmp_path / 'new', '--gin.TRAIN_STEP=3')
  assert process.wait() == 2
  assert process.stderr.read().splitlines()[-1] == (
      "error: unknown gin name 'TRAIN_STEP': did you mean TRAIN_STEPS?"
  )
  assert not list(tmp_path.iterdir())


def test_another_architecture_is_refused(launch, uninterrupted):
  before = sorted(uninterrupted.rglob('*'))
  smaller = SMALL | {'resampler.width': 32}
  process = launch(uninterrupted, f'--gin.variant.overrides={smaller}')
  assert process.wait() == 2
  error = process.stderr.read().splitlines()[-1]
  assert 'resampler/width is 16 there and 32 in this run' in error
  assert sorted(uninterrupted.rglob('*')) == before


@pytest.mark.parametrize('file, options', [
    ('lm_tiny.gin', [
        '--gin.MIXTURE_OR_TASK_NAME=shapes_captions',
        '--gin.TASK_FEATURE_LENGTHS='
        '{"shapes_captions": {"tokens": 24, "documents": 2}}',
        '--gin.BATCH_SIZES={"shapes_captions": 2}',
        f'--gin.variant.overrides={SMALL}',
        '--gin_file=tests/t5x/two_tasks.gin',  # has the vision encoder
    ]),
    ('contrastive_tiny.gin', ['--gin.BATCH_SIZES={"shapes_pairs": 4}']),
])
def test_a_tower_that_was_killed_equals_an_uninterrupted_one(
    compilation_cache, tmp_path, file, options
):
  def launch(model_dir, steps):
    return subprocess.Popen(
        [
            sys.executable, '-m', 'flamingo_jax.train',
            f'--gin_file=configs/{file}', f'--gin.MODEL_DIR={model_dir}',
            f'--gin.TRAIN_STEPS={steps}', '--gin.WARMUP_STEPS=2',
            '--gin.STATS_PERIOD=2', '--gin.CHECKPOINT_PERIOD=3',
            '--gin.EVAL_PERIOD=4', '--gin.train.eval_steps=1', *sorted(options),
        ],
        cwd=ROOT,
        env=os.environ | {
            'XLA_FLAGS': QUICK,
            'JAX_COMPILATION_CACHE_DIR': compilation_cache,
        },
        stderr=subprocess.PIPE,
        text=True,
    )

  whole, killed = tmp_path / 'whole', tmp_path / 'killed'
  process = launch(whole, 8)
  assert process.wait() == 0, process.stderr.read()
  process = launch(killed, 8)
  wait_for_step(process, killed, 4)
  process.kill()
  process.wait()
  process = launch(killed, 8)
  assert process.wait() == 0, process.stderr.read()
  assert numbers(killed) == numbers(whole)
  assert [line['step'] for line in numbers(whole)] == [2, 4, 6, 8]
  keys = set(numbers(whole)[1])
  assert any(key.startswith('eval/loss/') for key in keys)
  assert (file == 'lm_tiny.gin') == any('perplexity' in key for key in keys)
  assert not (whole / 'frozen').exists()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs: stopped and killed runs equal one that was left alone."""

import importlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import chex
import gin
import jax
import orbax.checkpoint as ocp
import PIL.Image
import pytest

from flamingo_jax import gin_program
from flamingo_jax.data import documents, features
from flamingo_jax.driver import loop
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.tasks import prepared
from tests import forked
from tests.shards import write_shards
from tests.random_weights import ONE_BLOCK
from tests.t5x import two_tasks
from tests.t5x.program import ROOT, flags, run_built_in
from tests.xla_flags import QUICK

FILES = ('configs/flamingo_tiny.gin', 'tests/t5x/two_tasks.gin')
# Killed within a log line's steps, stopped anywhere, evaluated in between.
STEPS = 14
SMALL = ONE_BLOCK | {'decoder.layers': 2}
LENGTHS = {
    'clips': {'tokens': 16, 'media': 1, 'frames': 2, 'image_size': 16},
    'pages': {'tokens': 24, 'media': 2, 'image_size': 16},
}


def bindings(model_dir, *more):
  return [
      f'MODEL_DIR={str(model_dir)!r}', f'TRAIN_STEPS={STEPS}',
      'STATS_PERIOD=2', 'CHECKPOINT_PERIOD=3', 'EVAL_PERIOD=5',
      'loop.train.eval_steps=1', f'variant.overrides={SMALL}',
      f'TASK_FEATURE_LENGTHS={LENGTHS}',
      'BATCH_SIZES={"pages": 2, "clips": 2}', *more,
  ]


def planned(name, model_dir, *more):
  """One entry of a plan."""
  return {
      'name': name, 'files': FILES, 'devices': 1,
      'bindings': bindings(model_dir, *more),
  }


ONE_DEVICE = {'XLA_FLAGS': QUICK}


def program_of(plan):
  """A process that trains, `python -m flamingo_jax.train` on one device."""
  return forked.Program(
      'flamingo_jax.train', *flags(plan), variables=ONE_DEVICE
  )


@pytest.fixture
def complaint(monkeypatch, capfd):
  """What the program says last of a run that it ends with status 2."""

  def run(model_dir, *more):
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(sys.modules, '__main__', loop)
    device = jax.devices()[:1]
    monkeypatch.setattr(jax, 'devices', lambda *unused: device)
    assert gin_program.run(
        loop.train, flags(planned('', model_dir, *more))) == 2
    return capfd.readouterr().err.splitlines()[-1]

  gin.clear_config()
  yield run
  gin.clear_config()


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


def assert_same_state(one, other, step):
  """Parameters, optimizer and place in the data of two runs, to the bit."""
  states, places = [], []
  for model_dir in (one, other):
    folder = checkpoint_folder(model_dir, step)
    states.append(ocp.PyTreeCheckpointer().restore(folder / 'state'))
    places.append((folder / 'data_iterator' / 'place.json').read_text())
  assert jax.tree.leaves(states[0])
  chex.assert_trees_all_equal(*states)
  assert places[0] == places[1]


def wait_for_step(process, model_dir, step):
  while process.poll() is None:
    # A killed run's old lines are dropped before new ones are written.
    if any(f'"step": {step},' in line for line in lines(model_dir)):
      return
    time.sleep(0.01)
  pytest.fail(process.communicate()[1])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """Of two runs, 'uninterrupted' and, from cached features, 'cached'."""
  folder = tmp_path_factory.mktemp('runs')
  run_built_in([
      planned('uninterrupted', folder / 'uninterrupted'),
      planned('cached', folder / 'cached', 'loop.train.cache_media=True'),
  ])
  return folder


@pytest.fixture(scope='module')
def uninterrupted(folder):
  return folder / 'uninterrupted'


def test_a_killed_and_stopped_run_equals_an_uninterrupted_one(
    tmp_path, uninterrupted
):
  process = program_of(planned('', tmp_path))
  wait_for_step(process, tmp_path, 5)
  process.kill()
  process.wait()
  # As if the newest field had been added since.
  path = tmp_path / 'model.json'
  description = json.loads(path.read_text())
  description['architecture'].popitem()
  description['architecture']['decoder'].popitem()
  path.write_text(json.dumps(description))
  process = program_of(planned('', tmp_path))
  wait_for_step(process, tmp_path, 8)
  process.send_signal(signal.SIGTERM)
  assert process.wait() == 128 + signal.SIGTERM  # for who would go on after it
  said = re.search(
      'SIGTERM: stopped and saved at step ([0-9]+)', process.communicate()[1]
  )
  assert 8 <= int(said[1]) < STEPS
  assert (tmp_path / f'checkpoint_{said[1]}').is_dir()
  run_built_in([planned('rest', tmp_path)])
  assert numbers(tmp_path) == numbers(uninterrupted)
  assert_same_state(tmp_path, uninterrupted, STEPS)
  assert [line['step'] for line in numbers(tmp_path)] == [
      2, 4, 5, 6, 8, 10, 12, 14
  ]


def test_a_run_from_cached_features_equals_one_that_encodes(folder):
  expected, found = (numbers(folder / x) for x in ('uninterrupted', 'cached'))
  assert [line.keys() for line in found] == [line.keys() for line in expected]
  for line, other in zip(found, expected):
    assert line == pytest.approx(other, rel=1e-5, abs=1e-9), line['step']
  stored = folder / 'cached/media_cache/process_0/16x16/features'
  assert stored.stat().st_size > 0


def test_a_run_says_all_that_it_should(uninterrupted):
  last = json.loads(lines(uninterrupted)[5])
  assert last['step'] == 10
  for key in (
      'loss', 'loss/pages', 'loss/clips',
      'eval/loss/pages', 'eval/loss/clips', 'grad_norm', 'learning_rate', 'step_seconds',
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


@pytest.fixture
def damaged_pages(tmp_path):
  """`pages` is prepared data: of four documents one cannot be read."""
  picture = io.BytesIO()
  PIL.Image.new('RGB', (16, 16)).save(picture, 'PNG')
  write_shards([
      documents.Document((documents.image(data), 'one'), f'page:{i}', i)
      for i, data in enumerate([picture.getvalue()] * 3 + [b'no picture'])
  ], tmp_path / 'data/pages/train')
  prepared.add_task('pages', str(tmp_path / 'data'))
  features.add_mixture('two_tasks', {'pages': 1.0, 'clips': 0.03})
  yield
  importlib.reload(two_tasks)


def test_a_run_logs_how_many_documents_it_could_not_read(
    damaged_pages, tmp_path
):
  # The steps of `uninterrupted`, which are compiled already.
  run_built_in([planned(
      'run', tmp_path / 'run', 'TRAIN_STEPS=2',
      'loop.train.train_eval_dataset_cfg=None',
  )])
  (line,) = numbers(tmp_path / 'run')
  assert line['unreadable/pages'] >= 1  # two batches of two are all of them
  assert 'unreadable/clips' not in line


def test_what_is_not_finite_stops_the_run_and_names_its_examples(
    complaint, tmp_path
):
  error = complaint(
      tmp_path, 'LEARNING_RATE=1e30', 'WARMUP_STEPS=0',
      'MIXTURE_OR_TASK_NAME=clips', 'loop.train.train_eval_dataset_cfg=None',
  )
  assert error.startswith('error: step 2 is not finite (')
  assert 'clips/loss_sum' in error
  assert re.search(r"examples are {'clips': \[\d+, \d+]}", error)
  assert not list(tmp_path.glob('checkpoint_*'))


def test_a_run_starts_from_another_ones_checkpoint(
    tmp_path, uninterrupted
):
  # The other run itself, made to read its data from the beginning again, and
  # a new run that has its checkpoint alone.
  shutil.copytree(uninterrupted, tmp_path / 'same')
  more = ('TRAIN_STEPS=18', 'SaveCheckpointConfig.save_dataset=False',
          'loop.train.train_eval_dataset_cfg=None')
  from_other = f'INITIAL_CHECKPOINT_PATH={str(uninterrupted)!r}'
  before = sorted(uninterrupted.rglob('*'))
  run_built_in([
      planned('same', tmp_path / 'same', *more),
      planned('new', tmp_path / 'new', *more, from_other),
  ])
  assert sorted(uninterrupted.rglob('*')) == before
  same = [n for n in numbers(tmp_path / 'same') if n['step'] > STEPS]
  assert [n['step'] for n in same] == [16, 18]
  assert numbers(tmp_path / 'new') == same


def test_another_run_without_a_checkpoint_is_told(complaint, tmp_path):
  error = complaint(tmp_path / 'new', 'INITIAL_CHECKPOINT_PATH=nowhere')
  assert error.startswith('error: ') and 'nowhere' in error
  assert 'MODEL_DIR' in error


def test_another_architecture_is_refused(complaint, uninterrupted):
  before = sorted(uninterrupted.rglob('*'))
  error = complaint(
      uninterrupted, f'variant.overrides={SMALL | {"resampler.width": 32}}'
  )
  assert 'resampler/width is 16 there and 32 in this run' in error
  assert sorted(uninterrupted.rglob('*')) == before


@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='no /proc')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_imports_ends_the_program_in_one_line(
    tmp_path, number
):
  process = subprocess.Popen(
      [sys.executable, '-m', 'flamingo_jax.train',
       *flags(planned('', tmp_path / 'new'))],
      cwd=ROOT, stderr=subprocess.PIPE, text=True,
      env=os.environ | ONE_DEVICE,
  )
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


def language_model(model_dir):
  """A run of eight steps, as an entry of a plan."""
  return {
      'name': str(model_dir), 'devices': 1,
      'files': ['configs/lm_tiny_value.gin', 'tests/t5x/towers.gin'],
      'bindings': [
          f'MODEL_DIR={str(model_dir)!r}', 'TRAIN_STEPS=8', 'WARMUP_STEPS=2',
          'STATS_PERIOD=2', 'CHECKPOINT_PERIOD=3', 'EVAL_PERIOD=4',
          'loop.train.eval_steps=1', f'variant.overrides={SMALL}',
          'BATCH_SIZES={"shapes_text_value": 2}',
      ],
  }


def test_a_killed_language_model_equals_an_uninterrupted_one(tmp_path):
  killed, whole = tmp_path / 'killed', tmp_path / 'whole'
  process = program_of(language_model(killed))
  wait_for_step(process, killed, 4)
  process.kill()
  assert process.wait() == -signal.SIGKILL, 'it had ended already'
  run_built_in([language_model(whole), language_model(killed)])
  assert numbers(killed) == numbers(whole)
  assert_same_state(killed, whole, 8)
  assert [line['step'] for line in numbers(whole)] == [2, 4, 6, 8]
  assert any(key.startswith('eval/loss/') for key in numbers(whole)[1])
  assert not (whole / 'frozen').exists()

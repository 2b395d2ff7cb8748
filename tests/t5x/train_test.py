# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One gin file, two drivers: the same losses, parameters and checkpoints."""

import json
import pathlib
import re
import shutil
import sys

import jax
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

from flamingo_jax.run_dir import weights
from flamingo_jax.run_dir.steps import checkpoint_folder, saved_steps
from tests.random_weights import ONE_BLOCK
from tests.t5x.conftest import FOLDERS
from tests.t5x.program import flags, run_built_in

# Two tasks of unequal shapes: compiling is what takes the time.
FILES = ('configs/flamingo_tiny.gin', 'tests/t5x/two_tasks.gin')
STEPS = 12
LENGTHS = {
    'pages': {'tokens': 24, 'media': 2, 'image_size': 16},
    'clips': {'tokens': 16, 'media': 1, 'frames': 2, 'image_size': 16},
}
SIZES = {'pages': 4, 'clips': 8}
TWO_BY_TWO = (
    "MESH_SHAPE={'fsdp': 2, 'model': 2}", "LOGICAL_AXIS_RULES='tensor_parallel'"
)
# Where frozen maps are of 8 bits and have low-rank updates.
ADAPTED = (*FILES, 'configs/runs/lora.gin')
UPDATES = (
    'LORA_RANK=2', "variant.frozen_dtype='int8'",
    "LORA_PROJECTIONS=('decoder/*/query', 'decoder/*/value', 'decoder/*/ffw/*')",
)
NO_EVALUATION = 'train.train_eval_dataset_cfg=None'


def bindings(model_dir, *more, steps=STEPS):
  return [
      f'MODEL_DIR={str(model_dir)!r}', f'TRAIN_STEPS={steps}',
      'STATS_PERIOD=1', 'CHECKPOINT_PERIOD=6', 'EVAL_PERIOD=6',
      'train.eval_steps=1', f'variant.overrides={ONE_BLOCK}',
      f'TASK_FEATURE_LENGTHS={LENGTHS}', f'BATCH_SIZES={SIZES}', *more,
  ]


def run(name, model_dir, *more, devices=1, steps=STEPS, files=FILES):
  """One entry of a plan."""
  return {
      'name': name, 'files': files, 'devices': devices,
      'bindings': bindings(model_dir, *more, steps=steps),
  }


def stopped(model_dir, copy, steps=(0, 6)):
  """A copy of a run as it was when its last checkpoint was steps[-1]."""
  shutil.copytree(model_dir, copy)
  for log in ('train', 'training_eval', 'metrics.jsonl', 'tensorboard'):
    if (copy / log).is_dir():
      shutil.rmtree(copy / log)
    else:
      (copy / log).unlink(missing_ok=True)
  for step in set(saved_steps(copy)) - set(steps):
    shutil.rmtree(checkpoint_folder(copy, step))
  return copy


@pytest.fixture(scope='module')
def module_form(run_module, folder):
  """python -m t5x.train, twelve steps on one device."""
  plan = run('module_form', folder / 'module_form')
  run_module(1, 't5x.train', *flags(plan))
  return folder / 'module_form'


@pytest.fixture(scope='module')
def script_form(run_module, folder):
  """python t5x/train.py, twelve steps on 2 x 2 devices."""
  script = next(
      path for path in [*map(pathlib.Path, FOLDERS), *map(pathlib.Path, sys.path)]
      if (path / 't5x' / 'train.py').is_file()
  ) / 't5x' / 'train.py'
  plan = run('script_form', folder / 'script_form', *TWO_BY_TWO, *UPDATES,
             NO_EVALUATION, files=ADAPTED)
  run_module(4, script, *flags(plan))
  return folder / 'script_form'


@pytest.fixture(scope='module')
def built_in(module_form, folder):
  """The built-in driver's runs, one of them from t5x's checkpoint 6."""
  stopped(module_form, folder / 'built_in_continues')
  run_built_in([
      run('one', folder / 'built_in'),
      run('four', folder / 'built_in_four', *TWO_BY_TWO, *UPDATES,
          NO_EVALUATION, devices=4, files=ADAPTED),
      run('continued', folder / 'built_in_continues', NO_EVALUATION),
  ])
  return folder


@pytest.fixture(scope='module')
def t5x_runs(run_plan, module_form, built_in, folder):
  """t5x's runs in one process; {name: what was seen}."""
  stopped(module_form, folder / 'resumed')
  stopped(built_in / 'built_in', folder / 't5x_continues')
  stopped(module_form, folder / 'halves')
  model_json = stopped(module_form, folder / 'vocabulary') / 'model.json'
  description = json.loads(model_json.read_text())
  description['vocabulary_sha256'] = 'another'
  model_json.write_text(json.dumps(description))
  return run_plan(1, [
      run('resumed', folder / 'resumed', NO_EVALUATION),
      run('continued', folder / 't5x_continues', NO_EVALUATION),
      run('halves', folder / 'halves', NO_EVALUATION,
          'Trainer.num_microbatches=2', steps=7),
      run('mixture', folder / 'no', "MIXTURE_OR_TASK_NAME='nowhere'"),
      run('split', folder / 'no', "train/DatasetConfig.split='tests'"),
      run('vocabulary', folder / 'vocabulary'),
  ])


def losses(model_dir):
  """{name: {step: value}} of either driver's log."""
  wanted = lambda name: name.split('/')[0] in ('loss', 'grad_norm')
  log = model_dir / 'metrics.jsonl'
  values = {}
  if log.exists():
    for line in map(json.loads, log.read_text().splitlines()):
      for name in filter(wanted, line):
        values.setdefault(name, {})[line['step']] = line[name]
    return values
  events = event_accumulator.EventAccumulator(
      str(model_dir / 'train'), size_guidance={'tensors': 0}
  )
  events.Reload()
  return {
      name: {
          event.step: float(tensor_util.make_ndarray(event.tensor_proto))
          for event in events.Tensors(name)
      }
      for name in filter(wanted, events.Tags()['tensors'])
  }


def worst_difference(model_dir, other):
  """The largest difference of any parameter after the last step."""
  params, step = weights.load_params(model_dir)
  others, other_step = weights.load_params(other)
  assert step == other_step == STEPS
  return max(jax.tree.leaves(jax.tree.map(
      lambda x, y: np.max(np.abs(x - y)), params, others
  )))


def check_same_losses(model_dir, other, first=1):
  """Compares all losses and gradient norms from step `first` on.

  Returns:
    The largest relative difference of a loss.
  """
  found, expected = losses(model_dir), losses(other)
  assert found.keys() == expected.keys() and len(found) == 4
  steps = range(first, STEPS + 1)
  worst = {
      name: max(
          abs(found[name][step] / expected[name][step] - 1) for step in steps
      )
      for name in found
  }
  # A norm adds the squares of all gradients, in the order of the devices.
  assert worst.pop('grad_norm') < 1e-5
  assert max(worst.values()) < 1e-6, worst
  return max(worst.values())


def test_on_one_device(module_form, built_in):
  worst = check_same_losses(module_form, built_in / 'built_in')
  difference = worst_difference(module_form, built_in / 'built_in')
  assert difference < 1e-5
  print(f'1 device: losses differ by {worst:.1e}, parameters {difference:.1e}')


def test_evaluation_losses_agree(module_form, built_in):
  log = (built_in / 'built_in' / 'metrics.jsonl').read_text().splitlines()
  line = json.loads(log[5])
  for task in SIZES:
    events = event_accumulator.EventAccumulator(
        str(module_form / 'training_eval' / task), size_guidance={'tensors': 0}
    )
    events.Reload()
    event, _ = events.Tensors('loss')
    np.testing.assert_allclose(
        tensor_util.make_ndarray(event.tensor_proto),
        line[f'eval/loss/{task}'],
        rtol=1e-6,
    )
    assert event.step == line['step'] == 6


def test_on_two_by_two_devices(script_form, built_in):
  worst = check_same_losses(script_form, built_in / 'built_in_four')
  difference = worst_difference(script_form, built_in / 'built_in_four')
  assert difference < 1e-5
  print(f'2 x 2: losses differ by {worst:.1e}, parameters {difference:.1e}')
  told = (script_form / 'model-info.txt').read_text()
  for name, spec in (
      ('xattn/ffw/up/kernel', "(None, 'fsdp', 'model')"),
      # Trained too, and split as their map is.
      ('lm/ffw/up/lora_a', "(None, None, 'fsdp', None)"),
      ('lm/ffw/up/lora_b', "(None, None, None, 'model')"),
  ):
    line = re.search(f'decoder/groups/{name} .*', told)
    assert line[0].endswith(f'partition spec {spec}'), line[0]
  params, _ = weights.load_params(script_form)
  up = params['decoder']['groups']['lm']['ffw']['up']
  assert up['kernel'].dtype == np.int8 and up['kernel'].any()
  for name in ('query', 'value'):
    update = params['decoder']['groups']['lm']['attn'][name]['map']
    assert np.abs(update['lora_b']).max() > 0


def test_a_stopped_run_equals_a_straight_one_bit_for_bit(
    t5x_runs, module_form, folder
):
  assert t5x_runs['resumed']['step'] == STEPS
  found, expected = losses(folder / 'resumed'), losses(module_form)
  for name in expected:
    assert min(found[name]) == 7
    for step in range(7, STEPS + 1):
      assert found[name][step] == expected[name][step]
  assert worst_difference(folder / 'resumed', module_form) == 0


def test_checkpoints_move_both_ways(t5x_runs, built_in, module_form, folder):
  check_same_losses(
      folder / 't5x_continues', built_in / 'built_in', first=7
  )
  check_same_losses(built_in / 'built_in_continues', module_form, first=7)
  assert t5x_runs['continued']['step'] == STEPS
  # The weights that do not change are in no checkpoint.
  names = module_form / 'checkpoint_12' / 'state' / '_METADATA'
  assert 'token_embedder' not in names.read_text()


def test_frozen_weights_stay_and_the_optimizer_has_none(t5x_runs):
  seen = t5x_runs['resumed']
  print({key: value for key, value in seen.items() if 'bytes' in key})
  assert seen['frozen_is_unchanged']
  # Two moments for each trainable parameter, and some counters.
  counters = seen['optimizer_bytes'] - 2 * seen['params_bytes']
  assert 0 < counters < 100
  assert seen['frozen_bytes'] > seen['params_bytes']


def test_microbatches_change_neither_loss_nor_gradient(t5x_runs, folder):
  # Of its gradient the norm; tests/training/accumulate_test.py has all of it.
  assert t5x_runs['halves']['step'] == 7
  whole, halves = losses(folder / 'resumed'), losses(folder / 'halves')
  for name in whole:
    np.testing.assert_allclose(halves[name][7], whole[name][7], rtol=1e-5)


@pytest.mark.parametrize('name, words', [
    ('mixture', "there is no mixture or task 'nowhere'; known are"),
    ('split', "has no split 'tests'; it has train, validation"),
    ('vocabulary', 'was trained with another vocabulary than'),
])
def test_errors_are_one_sentence(t5x_runs, name, words):
  error = t5x_runs[name]['error']
  assert words in error and '\n' not in error


def test_the_program_prints_the_sentence(run_module, folder):
  plan = run('no', folder / 'no', "MIXTURE_OR_TASK_NAME='nowhere'")
  result = run_module(1, 't5x.train', *flags(plan), status=1)
  last = result.stderr.splitlines()[-1]
  assert last.startswith("error: there is no mixture or task 'nowhere'")
  assert 'Traceback' not in result.stderr

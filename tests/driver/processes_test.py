# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs of two processes: they train, stop and save as one process does."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import forked
from tests.t5x.conftest import FOLDERS, REASON, ROOT
from tests.random_weights import ONE_BLOCK
from tests.t5x.program import flags, run_built_in
from tests.t5x.train_test import NO_EVALUATION, losses
from tests.xla_flags import QUICK

STEPS = 30
FILES = ('configs/flamingo_tiny.gin', 'tests/t5x/two_tasks.gin')
LENGTHS = {'pages': {'tokens': 24, 'media': 2, 'image_size': 16}}


def planned(model_dir, *more):
  """One entry of a plan."""
  return {'name': str(model_dir), 'files': FILES, 'devices': 1, 'bindings': [
      f'MODEL_DIR={str(model_dir)!r}', f'TRAIN_STEPS={STEPS}',
      'MIXTURE_OR_TASK_NAME="pages"', 'STATS_PERIOD=1',
      'CHECKPOINT_PERIOD=20', 'EVAL_PERIOD=2', 'train.eval_steps=1',
      f'variant.overrides={ONE_BLOCK}', f'TASK_FEATURE_LENGTHS={LENGTHS}',
      'BATCH_SIZES={"pages": 4}', *more,
  ]}


VARIABLES = {
    'PYTHONPATH': os.pathsep.join([str(ROOT), *FOLDERS]), 'XLA_FLAGS': QUICK,
}


def free_port():
  with socket.socket() as found:
    found.bind(('localhost', 0))
    return found.getsockname()[1]


@pytest.fixture(scope='module')
def start_two():
  """Starts a program twice, as the two processes of a job."""

  def start(module, model_dir, *more):
    address = f'localhost:{free_port()}'
    return [
        forked.Program(
            module, *flags(planned(model_dir, *more)), variables=VARIABLES | {
                'JAX_COORDINATOR_ADDRESS': address, 'JAX_NUM_PROCESSES': '2',
                'JAX_PROCESS_ID': str(index),
            },
        )
        for index in range(2)
    ]

  return start


def finish(processes, status=0):
  """What each of them said."""
  said = [process.communicate()[1] for process in processes]
  for process, words in zip(processes, said):
    assert process.returncode == status, words[-5000:]
  return said


@pytest.fixture(scope='module')
def stopped(start_two, tmp_path_factory):
  """(model_dir, what two processes said), the second one got a SIGTERM."""
  model_dir = tmp_path_factory.mktemp('stopped')
  processes = start_two('flamingo_jax.train', model_dir)
  log = model_dir / 'metrics.jsonl'
  while processes[0].poll() is None:
    if log.exists() and '"step": 3,' in log.read_text():
      processes[1].send_signal(signal.SIGTERM)
      break
    time.sleep(0.01)
  return model_dir, finish(processes, 128 + signal.SIGTERM)


@pytest.fixture(scope='module')
def one_process(stopped, tmp_path_factory):
  """A folder: a run of one process, and one that goes on where two stopped."""
  folder = tmp_path_factory.mktemp('one')
  shutil.copytree(stopped[0], folder / 'continued')
  run_built_in([
      planned(folder / 'straight'),
      planned(folder / 'continued', NO_EVALUATION),
  ])
  return folder


def check_same(found, expected, first=1):
  found, expected = losses(found), losses(expected)
  assert found.keys() == expected.keys() and len(found) == 3
  for name in found:
    assert set(range(first, STEPS + 1)) <= found[name].keys()
    for step in range(first, STEPS + 1):
      np.testing.assert_allclose(
          found[name][step], expected[name][step], rtol=1e-5
      )


def test_a_signal_to_one_stops_both_at_one_step(stopped):
  model_dir, (first, second) = stopped
  step = re.search('SIGTERM: stopped and saved at step ([0-9]+)', first)[1]
  assert 3 < int(step) < STEPS
  parts = model_dir / f'checkpoint_{step}' / 'state'
  assert {path.name for path in parts.glob('ocdbt.process_*')} == {
      'ocdbt.process_0', 'ocdbt.process_1'
  }
  assert 'step' not in second  # one log
  assert 'config.gin' in {path.name for path in model_dir.iterdir()}


def test_one_process_goes_on_with_the_losses_of_one(one_process):
  check_same(one_process / 'continued', one_process / 'straight')


def test_two_processes_evaluate_as_one(stopped, one_process):
  second_lines = [
      json.loads((folder / 'metrics.jsonl').read_text().splitlines()[1])
      for folder in (stopped[0], one_process / 'straight')
  ]
  found, expected = (line['eval/loss/pages'] for line in second_lines)
  np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.skipif(bool(REASON), reason=str(REASON))
def test_two_processes_of_t5x_go_on_where_one_of_ours_stopped(
    start_two, one_process, tmp_path
):
  model_dir = tmp_path / 'run'
  shutil.copytree(one_process / 'straight', model_dir)
  shutil.rmtree(model_dir / f'checkpoint_{STEPS}')
  shutil.rmtree(model_dir / 'tensorboard')
  (model_dir / 'metrics.jsonl').unlink()
  finish(start_two(
      't5x.train', model_dir, NO_EVALUATION
  ))
  check_same(model_dir, one_process / 'straight', first=21)
  assert (model_dir / f'checkpoint_{STEPS}').is_dir()


JOIN = """
import jax
from flamingo_jax.driver import processes
from flamingo_jax.errors import UserError
try:
  processes.join()
except UserError as error:
  print(error)
else:
  jax.config.update('jax_platforms', 'cpu')
  print(jax.process_index(), jax.process_count())
"""


def join(**variables):
  keep = {**os.environ, **VARIABLES}
  del keep['JAX_PLATFORMS']
  return subprocess.Popen(
      [sys.executable, '-c', JOIN], cwd=ROOT, env=keep | variables,
      stdout=subprocess.PIPE, text=True,
  )


def test_the_hosts_of_a_pod_find_each_other():
  # What a machine with TPUs has, so that JAX looks for the others.
  pod = {
      'JAX_FORCE_TPU_INIT': '1', 'TPU_WORKER_HOSTNAMES': 'localhost,localhost',
      'MEGASCALE_NUM_SLICES': '1', 'MEGASCALE_SLICE_ID': '0',
      'MEGASCALE_COORDINATOR_ADDRESS': 'localhost',
      'JAX_COORDINATOR_PORT': str(free_port()),
  }
  hosts = [join(**pod, TPU_WORKER_ID=str(index)) for index in range(2)]
  assert [host.communicate()[0] for host in hosts] == ['0 2\n', '1 2\n']


@pytest.mark.parametrize('variables, words', [
    ({}, 'set JAX_NUM_PROCESSES and JAX_PROCESS_ID too'),
    ({'JAX_NUM_PROCESSES': '2', 'JAX_PROCESS_ID': 'b'},
     "JAX_PROCESS_ID is 'b'; it must be a number"),
])
def test_half_an_address_is_one_sentence(variables, words, tmp_path):
  (tmp_path / 'join.py').write_text(JOIN)
  said = forked.run(tmp_path / 'join.py', variables=VARIABLES | variables | {
      'JAX_COORDINATOR_ADDRESS': 'localhost:1',
  }).stdout
  assert words in said and said.count('\n') == 1

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The launcher against a gcloud that writes down what it is told."""

import ast
import json
import pathlib
import shlex
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DICTS = ('--gin.MESH_SHAPE', '--gin.BATCH_SIZES')  # of a pod's bindings
PODS = ('v4_1536', 'v5e_256', 'v5p_1024', 'v6e_256')

# Answers `describe` with the next state of a list; the last one stays.
GCLOUD = '''#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / 'calls', 'a') as f:
  f.write(json.dumps(sys.argv[1:]) + '\\n')
if 'describe' in sys.argv:
  states = json.loads((here / 'states').read_text())
  print(states[0])
  (here / 'states').write_text(json.dumps(states[1:] or states))
elif '--command=cat job.exit 2>/dev/null || true' in sys.argv:
  print('0')
elif (here / 'fails').exists() and (here / 'fails').read_text() in sys.argv:
  print('ERROR: no quota', file=sys.stderr)
  sys.exit(7)
'''


class Cloud:
  """A folder with a gcloud that only writes down its arguments."""

  def __init__(self, folder):
    self.folder = folder
    (folder / 'gcloud').write_text(GCLOUD.format(python=sys.executable))
    (folder / 'gcloud').chmod(0o755)
    self.states('ACTIVE')

  def states(self, *states):
    (self.folder / 'states').write_text(json.dumps(states))

  def run(self, *arguments, pod=PODS[0], path=None):
    git = pathlib.Path(subprocess.check_output(['which', 'git'], text=True))
    path = path or f'{self.folder}:{git.parent}'  # which may have a gcloud
    return subprocess.run(
        [sys.executable, ROOT / 'launch' / 'tpu_vm.py',
         f'--pod={ROOT}/launch/pods.py:{pod}', '--poll_seconds=0', *arguments],
        env={'PATH': path}, text=True,
        capture_output=True, timeout=60,
    )

  def verbs(self):
    """What gcloud was asked to do, in order."""
    lines = (self.folder / 'calls').read_text().splitlines()
    return [json.loads(line)[3] for line in lines]


@pytest.fixture
def cloud(tmp_path):
  return Cloud(tmp_path)


def test_create_waits_until_the_slice_is_up(cloud):
  cloud.states('WAITING_FOR_RESOURCES', 'PROVISIONING', 'PROVISIONING', 'ACTIVE')
  done = cloud.run('create')
  assert done.returncode == 0, done.stderr
  assert cloud.verbs() == ['create'] + 4 * ['describe']
  assert done.stdout.split('\n')[:2] == [
      'flamingo-80b: WAITING_FOR_RESOURCES', 'flamingo-80b: PROVISIONING']


def test_create_gives_up_on_a_request_that_failed(cloud):
  cloud.states('PROVISIONING', 'FAILED')
  done = cloud.run('create')
  assert done.returncode == 1
  assert 'flamingo-80b is FAILED and will not come' in done.stderr


def test_watch_remakes_a_preempted_slice_and_ends_with_the_job(cloud):
  cloud.states('SUSPENDED', 'PROVISIONING', 'ACTIVE')
  done = cloud.run('watch')
  assert done.returncode == 0, done.stderr
  assert cloud.verbs() == [
      'describe', 'delete', 'create', 'describe', 'describe', 'scp', 'ssh',
      'ssh', 'describe', 'ssh']
  assert 'the job ended with exit code 0' in done.stdout


def test_errors_of_gcloud_are_shown_with_the_command(cloud):
  (cloud.folder / 'fails').write_text('create')
  done = cloud.run('create')
  assert done.returncode == 1
  assert 'ERROR: no quota' in done.stderr
  assert 'exit code 7 from: gcloud compute tpus queued-resources' in done.stderr
  assert cloud.verbs() == ['create']  # it does not wait for what isn't coming


def test_dry_run_prints_the_commands_that_would_run(cloud):
  for command in ('create', 'install', 'run', 'logs', 'status', 'delete'):
    printed = cloud.run(command, '--dry_run')
    assert printed.returncode == 0, printed.stderr
    assert not (cloud.folder / 'calls').exists()
    for line in printed.stdout.splitlines():
      assert shlex.split(line)[0] in ('gcloud', 'git')


@pytest.mark.parametrize('pod', PODS)
def test_the_job_runs_detached_and_leaves_its_exit_code(cloud, pod, tmp_path):
  printed = cloud.run('run', '--dry_run', pod=pod).stdout
  job = shlex.split(printed)[-1].removeprefix('--command=')
  # A worker: a home with the tree, whose Python writes down its arguments.
  python = tmp_path / 'home' / 'flamingo_jax' / '.venv' / 'bin' / 'python'
  python.parent.mkdir(parents=True)
  python.write_text(
      '#!/bin/sh\nprintf "%s\\n" "$@"; echo oops >&2; exit 3\n')
  python.chmod(0o755)
  home = tmp_path / 'home'
  subprocess.run(
      ['bash', '-c', job], env={'HOME': str(home), 'PATH': '/usr/bin:/bin'},
      cwd=home, check=True, timeout=10,
  )
  for _ in range(100):
    if (home / 'job.exit').exists() and (home / 'job.exit').read_text():
      break
    time.sleep(0.1)
  assert (home / 'job.exit').read_text() == '3\n'
  module, name, gin_file, *bindings, error = (
      (home / 'job.log').read_text().splitlines())
  assert (module, name, error) == ('-m', 't5x.train', 'oops')
  assert (ROOT / gin_file.removeprefix('--gin_file=')).parent.name == 'configs'
  for binding in bindings:  # as gin reads it
    name, _, value = binding.partition('=')
    kind = dict if name in DICTS else str
    assert isinstance(ast.literal_eval(value), kind)


def test_an_unknown_command_names_those_that_there_are(cloud):
  done = cloud.run('crate')
  assert done.returncode == 1
  assert 'create, install, run' in done.stderr


def test_an_unknown_pod_names_those_that_there_are(cloud):
  done = cloud.run('delete', pod='v9_1')
  assert done.returncode != 0
  assert "no pod 'v9_1': there are v4_1536, v5e_256" in done.stderr


def test_without_gcloud_one_sentence_says_so(cloud):
  (cloud.folder / 'gcloud').unlink()
  done = cloud.run('delete', path=str(cloud.folder))
  assert done.returncode == 1
  assert 'there is no gcloud on PATH' in done.stderr

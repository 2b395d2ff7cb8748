# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The environment of the scripts, with a Python that only pretends."""

import os
import pathlib
import shutil
import subprocess

import pytest

LAUNCH = pathlib.Path(__file__).parents[2] / 'launch'
# Takes a while to install, and writes down when it begins and ends.
PYTHON = '''#!/usr/bin/env bash
log=$(dirname "$0")/../../log
case "$*" in
  '-m venv'*)
    [ ! -e "$4" ] || exit 9
    mkdir -p "$4/bin" && cp "$0" "$4/bin/python"
    echo "venv" >> "$4/../log" ;;
  '-m pip'*) echo begin >> "$log"; sleep 0.5; echo end >> "$log" ;;
  --version) echo Python 3.11 ;;
esac
'''
SCRIPT = '''
set -euo pipefail
source launch/environment.sh
find_python() { echo "$root/python"; }
install "$1"
echo "$1 is installed"
'''
TOOLS = ('bash', 'cat', 'cksum', 'cp', 'dirname', 'env', 'mkdir', 'rmdir',
         'sleep')


@pytest.fixture
def root(tmp_path):
  (tmp_path / 'launch').mkdir()
  shutil.copy(LAUNCH / 'environment.sh', tmp_path / 'launch')
  for name, text in (('setup.py', 'x'), ('constraints.txt', 'y'),
                     ('python', PYTHON), ('script', SCRIPT), ('log', '')):
    (tmp_path / name).write_text(text)
  (tmp_path / 'python').chmod(0o755)
  return tmp_path


@pytest.fixture(params=['flock', 'mkdir'])
def environ(request, root):
  """With flock, and on a PATH that lacks it."""
  if request.param == 'flock' and not shutil.which('flock'):
    pytest.skip('no flock here')
  tools = root / 'tools'
  tools.mkdir()
  for name in (*TOOLS, *(['flock'] if request.param == 'flock' else [])):
    (tools / name).symlink_to(shutil.which(name))
  return os.environ | {'PATH': str(tools)}


def start(root, environ, extra):
  return subprocess.Popen(
      ['bash', 'script', extra], cwd=root, env=environ, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_scripts_that_start_together_install_one_after_the_other(
    root, environ
):
  scripts = [start(root, environ, 'test') for _ in range(3)]
  said = [script.communicate()[0] for script in scripts]
  assert [script.returncode for script in scripts] == [0, 0, 0], said
  assert (root / 'log').read_text().split() == ['venv', 'begin', 'end']
  waited = [s for s in said if f'Waiting for another script that installs into '
            f'{root / ".venv"}' in s]
  assert len(waited) == 2
  assert sum('Installing' in s for s in said) == 1
  # Nothing is waited for once it is there.
  said, _ = start(root, environ, 'train').communicate()
  assert said == 'train is installed\n'


def test_a_script_that_fails_gives_the_lock_back(root, environ):
  good = (root / 'python').read_text()
  (root / 'python').write_text(good.replace('sleep 0.5', 'exit 1'))
  failed = start(root, environ, 'train')
  said, _ = failed.communicate()
  assert failed.returncode == 1 and 'is installed' not in said
  shutil.rmtree(root / '.venv')
  (root / 'python').write_text(good)
  said, _ = start(root, environ, 'train').communicate()
  assert 'Waiting' not in said and said.endswith('train is installed\n')


def test_an_environment_of_somebody_else_is_kept(root, environ):
  mine = root / '.venv/bin/mine'
  mine.parent.mkdir(parents=True)
  mine.write_text('')
  shutil.copy(root / 'python', mine.parent)
  for constraints in ('y', 'z'):  # also when what is asked for has changed
    (root / 'constraints.txt').write_text(constraints)
    said, _ = start(root, environ, 'train').communicate()
    assert said.endswith('train is installed\n'), said
  assert (root / 'log').read_text().split() == ['begin', 'end'] * 2
  assert mine.exists()


def test_the_systems_python_is_preferred_to_one_on_path(root):
  (root / 'python3.11').write_text('#!/bin/sh\n')  # does as if it could
  (root / 'python3.11').chmod(0o755)
  found = subprocess.run(
      ['bash', '-c', 'source launch/environment.sh; find_python'], cwd=root,
      env=os.environ | {'PATH': f'{root}:{os.environ["PATH"]}'}, text=True,
      capture_output=True, check=True,
  ).stdout.strip()
  system = '/usr/bin/python3.11'
  has_it = os.path.exists(system) and subprocess.run(
      [system, '-c', 'import venv, ensurepip'], capture_output=True, check=False
  ).returncode == 0
  assert found == (system if has_it else str(root / 'python3.11'))

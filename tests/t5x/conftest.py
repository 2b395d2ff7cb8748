# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where t5x is, and processes that it drives."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.t5x.program import ROOT
from tests.xla_flags import QUICK

HOME = pathlib.Path(
    os.environ.get('T5X_HOME') or pathlib.Path.home() / 't5x-src'
)
PACKAGES = ('t5x', 'airio', 'jestimator')
NEEDED = ('cached_property', 'fiddle', 'grain')


def find_checkouts():
  """([folders for PYTHONPATH], why t5x cannot run or '')."""
  folders, missing = [], []
  for name in PACKAGES:
    if importlib.util.find_spec(name):
      continue
    if (HOME / name / name).is_dir():
      folders.append(str(HOME / name))
    else:
      missing.append(name)
  missing += [name for name in NEEDED if not importlib.util.find_spec(name)]
  return folders, missing and (
      f'{", ".join(missing)} not installed, nor checked out in {HOME}'
  )


FOLDERS, REASON = find_checkouts()


@pytest.fixture(scope='session')
def t5x_environment():
  """Devices -> environment variables of a process that can import t5x."""
  if REASON:
    pytest.skip(REASON)

  def environment(devices):
    return os.environ | {
        'PYTHONPATH': os.pathsep.join(
            [str(ROOT), *FOLDERS, os.environ.get('PYTHONPATH', '')]
        ),
        'XLA_FLAGS': f'{QUICK} --xla_force_host_platform_device_count={devices}',
    }

  return environment


@pytest.fixture(scope='module')
def folder(tmp_path_factory, t5x_environment):
  del t5x_environment  # skips if there is no t5x
  return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='session')
def run_python(t5x_environment):
  """(devices, arguments) -> what a process with t5x said until it ended."""

  def run(devices, arguments, status=0):
    result = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=t5x_environment(devices),
        capture_output=True, text=True, check=False,
    )
    assert result.returncode == status, result.stderr[-5000:]
    return result

  return run


@pytest.fixture(scope='session')
def run_plan(run_python, tmp_path_factory):
  """(devices, plan) -> what tests/t5x/program.py saw."""

  def run(devices, plan):
    file = tmp_path_factory.mktemp('plan') / 'plan.json'
    file.write_text(json.dumps(plan))
    result = run_python(devices, ['-m', 'tests.t5x.program', str(file)])
    return json.loads(result.stdout.splitlines()[-1])

  return run

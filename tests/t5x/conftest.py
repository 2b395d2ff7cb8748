# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where t5x is, and processes that it drives."""

import importlib.util
import json
import os
import pathlib

import pytest

from tests import forked
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
def t5x_variables():
  """Devices -> environment variables of a process that can import t5x."""
  if REASON:
    pytest.skip(REASON)

  def variables(devices):
    return {
        'PYTHONPATH': os.pathsep.join(
            [str(ROOT), *FOLDERS, os.environ.get('PYTHONPATH', '')]
        ),
        'XLA_FLAGS': f'{QUICK} --xla_force_host_platform_device_count={devices}',
    }

  return variables


@pytest.fixture(scope='module')
def folder(tmp_path_factory, t5x_variables):
  del t5x_variables  # skips if there is no t5x
  return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='session')
def run_module(t5x_variables):
  """(devices, module, arguments) -> what it said until it ended."""

  def run(devices, module, *arguments, status=0):
    result = forked.run(module, *arguments, variables=t5x_variables(devices))
    assert result.returncode == status, result.stderr[-5000:]
    return result

  return run


@pytest.fixture(scope='session')
def run_plan(run_module, tmp_path_factory):
  """(devices, plan) -> what tests/t5x/program.py saw."""

  def run(devices, plan):
    file = tmp_path_factory.mktemp('plan') / 'plan.json'
    file.write_text(json.dumps(plan))
    result = run_module(devices, 'tests.t5x.program', file)
    return json.loads(result.stdout.splitlines()[-1])

  return run

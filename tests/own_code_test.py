# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The current folder is searched for what a user names, and for nothing else."""

import os
import pathlib
import subprocess
import sys

import pytest

from flamingo_jax import gin_config
from flamingo_jax import own_code
from flamingo_jax.prepare import thresholds

ROOT = pathlib.Path(__file__).parents[1]
TRAP = 'raise SystemExit(f"{__name__} was executed")\n'


@pytest.fixture
def here(tmp_path, monkeypatch):
  """The current folder, with files that nobody asked for."""
  for name in (
      'random', 'jax', 'numpy', 'tqdm', 'torch', 'argparse', 'typing', 'socket',
      'selectors', 'yaml',
  ):
    (tmp_path / f'{name}.py').write_text(TRAP)
  monkeypatch.chdir(tmp_path)
  path, modules = list(sys.path), set(sys.modules)
  yield tmp_path
  assert sys.path == path  # the folder does not stay there
  for name in set(sys.modules) - modules:
    if name.startswith('own_'):
      del sys.modules[name]


@pytest.mark.parametrize('module, arguments, status', [
    ('cli', ['check', 'a.jsonl'], 1),
    ('cli', ['prepare', 'jsonl', 'a.jsonl', '--out=out', '--workers=1'], 2),
    ('train', ['--gin_file=no.gin'], 2),
], ids=['check', 'prepare', 'train'])
def test_programs_execute_nothing_of_the_current_folder(
    here, module, arguments, status
):
  (here / 'a.jsonl').write_text('{"parts": [{"text": "A cat."}]}\n')
  result = subprocess.run(
      [sys.executable, '-m', f'flamingo_jax.{module}', *arguments],
      capture_output=True, text=True, check=False,
      env=os.environ | {'PYTHONPATH': str(ROOT)},
  )
  assert 'executed' not in result.stdout + result.stderr
  assert result.returncode == status, result.stderr


def test_a_scorer_may_be_in_the_current_folder(here):
  (here / 'own_scorer.py').write_text(
      'import random, own_part\nscore = own_part.score\n'
  )
  (here / 'own_part.py').write_text('def score(text): return len(text)\n')
  assert thresholds.scorer('own_scorer:score>=1').measure('abc') == 3
  with pytest.raises(gin_config.UserError, match="No module named 'own_other'"):
    thresholds.scorer('own_other:score>=1')


def test_tasks_of_a_gin_file_may_be_in_the_current_folder(here):
  (here / 'own_tasks').mkdir()
  (here / 'own_tasks' / 'mine.py').write_text('def f():\n  return 1\n')
  (here / 'mine.gin').write_text(
      'from __gin__ import dynamic_registration\n'
      'from own_tasks import mine\nX = @mine.f()\n'
  )
  gin_config.parse(['mine.gin'], [])
  assert sys.modules['own_tasks.mine'].f() == 1


def test_an_installed_module_comes_first(here):
  assert own_code.import_module('random').__file__ != str(here / 'random.py')
  own_code.find_here('jax.numpy')
  # A folder of the name of an installed package, with what that does not have.
  (here / 'own_package').mkdir()
  (here / 'elsewhere' / 'own_package').mkdir(parents=True)
  (here / 'elsewhere' / 'own_package' / '__init__.py').touch()
  (here / 'own_package' / 'mine.py').write_text('x = 1\n')
  sys.path.append(str(here / 'elsewhere'))
  try:
    assert own_code.import_module('own_package.mine').x == 1
  finally:
    sys.path.remove(str(here / 'elsewhere'))

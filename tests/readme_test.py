# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What README and docs tell to write runs as it is written there."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import flamingo_jax
from flamingo_jax.data import documents
from tests.pictures import png
from tests.random_weights import SMALL
from tests.shards import write_shards
from tests.xla_flags import QUICK

ROOT = pathlib.Path(__file__).parents[1]


OWN_DATA = (ROOT / 'docs/own_data.md').read_text(encoding='utf-8')


def block(begin):
  """The block of code in docs/own_data.md that begins with a line."""
  (found,) = re.findall(rf'```\w*\n({re.escape(begin)}.*?)```', OWN_DATA, re.S)
  return found


def run_python(*arguments, **options):
  """Runs Python; returns what it printed on stdout and on stderr."""
  result = subprocess.run(
      [sys.executable, *arguments], capture_output=True, text=True,
      check=False, **options,
  )
  assert result.returncode == 0, result.stderr[-3000:]
  return result.stdout, result.stderr


def python(*arguments, **options):
  """Runs Python; returns what it printed."""
  return run_python(*arguments, **options)[0]


def files(folder):
  """Names of all files below a folder."""
  return {
      path.relative_to(folder) for path in folder.rglob('*')
      if path.is_file() and path.suffix != '.pyc'
  }


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """The folder of a wheel that is made of the source distribution.

  The source has no links, as a checkout where the system knows none.
  """
  folder = tmp_path_factory.mktemp('installed')
  source = folder / 'source'  # setup.py writes beside itself
  source.mkdir()
  for name in ('LICENSE', 'README.md', 'pyproject.toml', 'setup.py'):
    shutil.copy(ROOT / name, source)
  beside = ('ablations', 'configs', 'tasks')
  for name in (*beside, 'flamingo_jax'):
    shutil.copytree(
        ROOT / name, source / name, symlinks=True,
        ignore=shutil.ignore_patterns('__pycache__'),
    )
  for name in beside:  # what git writes there
    link = source / 'flamingo_jax' / name
    link.unlink()
    link.write_text(f'../{name}')
  # The wheel is made of the source distribution, and offline.
  python('-m', 'build', '--no-isolation', f'--outdir={folder}', str(source))
  shutil.rmtree(source)
  (archive,), (wheel,) = folder.glob('*.tar.gz'), folder.glob('*.whl')
  told = python('-m', 'twine', 'check', '--strict', str(archive), str(wheel))
  assert told.count('PASSED') == 2, told
  target = folder / 'target'
  python(
      '-m', 'pip', 'install', '-q', '--no-deps', '--no-index',
      '--disable-pip-version-check', f'--target={target}', str(wheel),
      cwd=folder,
  )
  return target


def test_all_that_is_installed_is_in_the_package(installed):
  assert {path.name.split('-')[0] for path in installed.iterdir()} == {
      'bin', 'flamingo_jax'
  }
  for folder in ('ablations', 'assets', 'configs', 'tasks', 'weights'):
    here = ROOT / 'flamingo_jax' / folder
    assert files(installed / 'flamingo_jax' / folder) == files(here) != set()


def test_the_citation_is_of_this_version():
  text = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
  assert f'\nversion: {flamingo_jax.__version__}\n' in text


def test_a_data_set_of_your_own(installed, tmp_path):
  picture = documents.image(png(255, (40, 30)))
  found = [
      documents.Document((picture, f'It is {i}.'), f'x:{i}', i)
      for i in range(9)
  ]
  for task in ('my_pages', 'my_captions'):
    for split in ('train', 'validation'):
      write_shards(found, tmp_path / 'data' / task / split)
  (tmp_path / 'configs').mkdir()
  (tmp_path / 'configs' / 'mine.gin').write_text(
      block('from __gin__ import dynamic_registration\n\ninclude')
  )
  environ = os.environ | {'PYTHONPATH': str(installed), 'XLA_FLAGS': QUICK}
  (command,) = re.findall(
      r'`flamingo (train --gin_file=configs/mine\.gin[^`]*)`', OWN_DATA
  )
  assert str(installed) in python(
      '-c',
      'from importlib import util\nprint(util.find_spec("flamingo_jax").origin)',
      cwd=tmp_path, env=environ,
  )
  said = run_python(
      str(installed / 'bin' / 'flamingo'), *command.split(), '--steps=1',
      "--gin.BATCH_SIZES={'my_pages': 1, 'my_captions': 1}",
      f'--gin.variant.overrides={SMALL}', cwd=tmp_path, env=environ,
  )
  # Nothing but the run's own lines: no library's chatter, TensorFlow's neither.
  assert re.fullmatch('warning: .*: random.*\n(step 1/1 .*\n)', said[1]), said
  assert not said[0]
  run = tmp_path / 'runs' / 'mine'
  (line,) = (run / 'metrics.jsonl').read_text().splitlines()
  assert {'loss/my_pages', 'loss/my_captions'} <= json.loads(line).keys()
  assert (run / 'checkpoint_1').is_dir()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an installation of t5x; t5x itself is not needed."""

import importlib.machinery
import importlib.util
import sys
import types

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.t5x_adapter import installation


@pytest.fixture
def t5x(tmp_path, monkeypatch):
  """A folder on the path with a package of each name that is needed."""
  for name in installation.NEEDED:
    package = tmp_path / name
    package.mkdir()
    (package / '__init__.py').write_text('')
  for program in ('train.py', 'tasks.py'):
    (tmp_path / 't5x' / program).write_text('')
  monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
  for name in installation.NEEDED:
    monkeypatch.delitem(sys.modules, name, raising=False)
  importlib.invalidate_caches()
  return tmp_path


def sentence():
  with pytest.raises(UserError) as error:
    installation.check()
  assert '\n' not in str(error.value)
  return str(error.value)


def test_what_is_whole_passes(t5x):
  installation.check()


@pytest.mark.parametrize('name', ['t5x', 'airio', 'fiddle'])
def test_what_is_missing_is_named(t5x, monkeypatch, name):
  find_spec = importlib.util.find_spec
  monkeypatch.setattr(
      importlib.util, 'find_spec',
      lambda asked: None if asked == name else find_spec(asked),
  )
  assert sentence() == (
      f'{name} is not installed: install it as docs/t5x.md says'
  )


def test_nightly_packages_over_released_ones_are_told(t5x):
  intruder = t5x / 'seqio_nightly-0.0.18.dist-info'
  intruder.mkdir()
  (intruder / 'METADATA').write_text('Name: seqio-nightly\nVersion: 0.0.18\n')
  assert sentence().startswith(
      'seqio-nightly has overwritten files of seqio: pip uninstall -y '
      'seqio-nightly seqio t5, then '
  )


def test_t5x_drives_if_its_program_was_started(t5x, monkeypatch):
  main = types.ModuleType('__main__')
  monkeypatch.setitem(sys.modules, '__main__', main)
  assert not installation.is_main()
  main.__file__ = str(t5x / 'elsewhere' / 'train.py')
  assert not installation.is_main()
  main.__file__ = str(t5x / 't5x' / 'train.py')
  assert installation.is_main()


def test_a_program_of_t5x_sees_our_tasks_and_tells_user_errors(
    t5x, monkeypatch, capsys
):
  # As "python t5x/train.py" begins: t5x's folder, with a tasks.py, is first.
  monkeypatch.setattr(sys, 'path', [str(t5x / 't5x'), *sys.path])
  monkeypatch.setattr(sys, 'excepthook', lambda *error: print('otherwise'))
  find = lambda: importlib.machinery.PathFinder.find_spec('tasks').origin
  assert find() == str(t5x / 't5x' / 'tasks.py')
  installation.prepare()
  assert find() != str(t5x / 't5x' / 'tasks.py')
  sys.excepthook(UserError, UserError('too long: cut it'), None)
  sys.excepthook(ValueError, ValueError(), None)
  told = capsys.readouterr()
  assert told.err == 'error: too long: cut it\n'
  assert told.out == 'otherwise\n'

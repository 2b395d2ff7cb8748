# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled programs are kept for the next start, and never in the way of one."""

import json
import os
import subprocess
import sys
import warnings

import pytest

from flamingo_jax import compiled
from flamingo_jax import doctor
from flamingo_jax import machine
from flamingo_jax import user_cache
from tests.xla_flags import QUICK

# Compiles two programs and says how often JAX found one in its cache.
PROGRAM = """
import sys, json
from flamingo_jax import compiled
compiled.keep()
import jax, jax.monitoring
found = []
jax.monitoring.register_event_listener(
    lambda name, **_: found.append(name) if name.endswith('cache_hits') else None)
def first(x): return jax.numpy.sort(x) @ x
def second(x): return jax.numpy.argsort(x) + x
x = jax.numpy.arange(8.)
computed = [float(jax.jit(f)(x).sum()) for f in (first, second)]
print(json.dumps([len(found), *computed]))
"""


def run(caches):
  """(found in the cache, what was computed, lines on standard error)."""
  environ = {
      name: value for name, value in os.environ.items()
      if not name.startswith('JAX_') or name == 'JAX_PLATFORMS'
  }
  result = subprocess.run(
      [sys.executable, '-c', PROGRAM], capture_output=True, text=True,
      check=True, env=environ | {
          'XDG_CACHE_HOME': str(caches), 'XLA_FLAGS': QUICK,
          'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
      },
  )
  found, *computed = json.loads(result.stdout)
  return found, computed, result.stderr.splitlines()


def test_programs_are_found_again_and_damaged_ones_compiled_again(tmp_path):
  found, computed, said = run(tmp_path)
  assert (found, said) == (0, [])
  (folder,) = (tmp_path / 'flamingo_jax/compiled').iterdir()
  assert folder.stat().st_mode & 0o777 == 0o700
  entries = {path: path.read_bytes() for path in folder.glob('*-cache')}
  (first,) = folder.glob('jit_first-*-cache')
  (second,) = folder.glob('jit_second-*-cache')

  first.write_bytes(entries[first][:100])  # as where its writer was killed
  second.write_bytes(b'no program')
  found, again, said = run(tmp_path)
  assert again == computed and found == len(entries) - 2
  (line,) = said
  assert line.startswith(f'note: a compiled program in {folder} failed')
  assert line.endswith('; it is compiled again')

  assert run(tmp_path) == (len(entries), computed, [])
  assert {path.name for path in folder.glob('*-cache')} == {
      path.name for path in entries
  }


@pytest.fixture
def caches(tmp_path, monkeypatch):
  """The user's cache folder; JAX's own variables are not set."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  for name in (*compiled._SWITCHES, compiled._SECONDS):
    monkeypatch.setenv(name, '')  # what a test sets is undone too
    monkeypatch.delenv(name)
  return tmp_path


@pytest.fixture
def before_jax(monkeypatch):
  """As where JAX is not imported yet."""
  monkeypatch.delitem(sys.modules, 'jax')
  with warnings.catch_warnings():
    yield


@pytest.mark.usefixtures('before_jax')
def test_a_folder_that_cannot_be_used_is_told_once(
    caches, monkeypatch, capsys
):
  (caches / 'file').touch()
  monkeypatch.setenv('XDG_CACHE_HOME', str(caches / 'file'))
  compiled.keep()
  assert compiled.own_switch() is None
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('note: compiled programs are not kept (')
  assert 'XDG_CACHE_HOME' in line


@pytest.mark.usefixtures('before_jax')
@pytest.mark.parametrize('name', compiled._SWITCHES)
def test_the_users_own_variable_wins(caches, monkeypatch, name):
  monkeypatch.setenv(name, 'own')
  before = dict(os.environ)
  compiled.keep()
  assert os.environ == before and not [*caches.iterdir()]
  monkeypatch.delenv(name)
  compiled.keep()
  folder = os.environ['JAX_COMPILATION_CACHE_DIR']
  assert folder == str(compiled.usable_folder())


def test_what_others_may_write_is_not_used(caches):
  folder = compiled.usable_folder()
  assert folder.is_relative_to(caches)
  folder.chmod(0o770)
  with pytest.raises(PermissionError, match='others than you may write'):
    compiled.usable_folder()
  finding = doctor.check_compiled()
  assert finding.status == 'note' and str(folder) in finding.text


def test_other_cpus_have_another_folder(caches, monkeypatch):
  here = compiled.usable_folder()
  assert compiled.usable_folder() == here
  monkeypatch.setattr(machine.platform, 'machine', lambda: 'another')
  assert compiled.usable_folder() != here


def test_the_oldest_are_removed_until_the_rest_is_small_enough(caches):
  folder = compiled.usable_folder()
  for age in range(4):
    path = folder / f'{age}-cache'
    path.write_bytes(bytes(10))
    os.utime(path, (1000 - age, 1000 - age))
  user_cache.remove_oldest(compiled.root(), 20)
  assert sorted(path.name for path in folder.iterdir()) == ['0-cache', '1-cache']
  assert user_cache.bytes_kept(compiled.root()) == 20


def test_doctor_tells_where_they_are(caches, monkeypatch):
  assert str(compiled.usable_folder()) in doctor.check_compiled().text
  monkeypatch.setenv('XDG_CACHE_HOME', 'relative')  # is to be ignored
  monkeypatch.setenv('HOME', str(caches))
  assert str(compiled.root()).startswith(str(caches))
  monkeypatch.setenv('JAX_ENABLE_COMPILATION_CACHE', 'false')
  assert "JAX_ENABLE_COMPILATION_CACHE='false'" in doctor.check_compiled().text

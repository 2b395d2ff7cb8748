# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Places that cannot be written, names that are no text, seeds out of range."""

import io
import json
import os
import resource
import sys

import gin
import pytest

from flamingo_jax import cli, errors, gin_config
from flamingo_jax.data import storage
from flamingo_jax.errors import UserError


@gin.configurable(module='one_sentence_test')
def inner(error):
  raise error


@gin.configurable(module='one_sentence_test')
def outer(error):
  inner(error)


@pytest.fixture
def little_disk():
  """No file may grow beyond 100 bytes."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures('little_disk')
def test_the_earlier_file_is_left_whole(tmp_path):
  path = tmp_path / 'results.json'
  storage.write_atomically(path, 'good')
  with pytest.raises(UserError) as error:
    storage.write_atomically(path, 'x' * 200)
  assert str(error.value) == (
      f'{path} cannot be written (File too large); free some space or raise the '
      'limit (ulimit -f)'
  )
  assert path.read_text() == 'good' and os.listdir(tmp_path) == ['results.json']


def test_devices_are_written_to_and_not_replaced():
  with pytest.raises(UserError, match='/dev/full cannot be written .No space'):
    storage.write_atomically('/dev/full', 'x')
  assert not os.path.isfile('/dev/full')


@pytest.mark.usefixtures('little_disk')
def test_check_writes_its_page_or_says_why_not(tmp_path, capsys):
  (tmp_path / 'a.jsonl').write_text('{"parts": [{"text": "A cat."}]}\n')
  page = tmp_path / 'page.html'
  page.write_text('good')
  for path, reason in (
      (page, 'File too large'), (tmp_path / 'a.jsonl' / 'x', 'Not a directory')
  ):
    assert cli.main(['check', f'{tmp_path}/a.jsonl', f'--html={path}']) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {path} cannot be written ({reason})')
  assert page.read_text() == 'good'


@pytest.mark.parametrize('raised, told', [
    (PermissionError(13, 'Permission denied', 'runs/a/b'),
     'runs/a/b cannot be read or written (Permission denied); fix its '
     'permissions or name another place'),
    (OSError(28, 'No space left on device', 'runs/a'),
     'runs/a cannot be read or written (No space left on device); free some '
     'space'),
    (UnicodeEncodeError('utf-8', 'caf\udce9.png', 3, 4, 'surrogates not allowed'),
     "'caf\\udce9.png' is a name or a text that is not UTF-8: rename the file, "
     'or write the text again'),
])
def test_what_gin_calls_and_the_system_refuses(raised, told):
  with pytest.raises(UserError) as error:
    gin_config.one_sentence(lambda: outer(raised))
  assert str(error.value) == told


def test_names_that_are_no_text_are_printed_and_written(tmp_path, monkeypatch):
  out = io.TextIOWrapper(io.BytesIO(), encoding='utf-8')
  monkeypatch.setattr(sys, 'stdout', out)
  errors.print_any_name()
  print('caf\udce9.png')
  out.flush()
  assert out.buffer.getvalue() == b'caf\\udce9.png\n'
  path = tmp_path / 'names'
  storage.write_atomically(path, 'caf\udce9.png')
  assert path.read_bytes() == b'caf\xe9.png'
  storage.write_atomically(path, json.dumps('caf\udce9.png'))
  assert json.loads(path.read_text()) == 'caf\udce9.png'


@pytest.mark.parametrize('command', [
    ['train', '--gin_file=configs/own_data.gin', '--seed'],
    ['ablate', '--runs=no_gate', '--out=x', '--seeds'],
])
@pytest.mark.parametrize('seed', ['9' * 20, '-1', '1.5', '2147483648'])
def test_seeds_out_of_range_are_told(command, seed, capsys):
  with pytest.raises(SystemExit) as stopped:
    cli.main([*command[:-1], f'{command[-1]}={seed}'])
  assert stopped.value.code == 2
  last = capsys.readouterr().err.splitlines()[-1]
  assert f"'{seed}' is not a whole number from 0 to 2147483647" in last

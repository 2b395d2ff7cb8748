# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One owner per folder, for as long as its process lives."""

import os
import signal
import subprocess
import sys

import pytest

from flamingo_jax.data.owner import owned
from flamingo_jax.errors import UserError

HOLD = '''
import sys
from flamingo_jax.data.owner import owned
with owned(sys.argv[1]):
  print('held', flush=True)
  sys.stdin.read()
'''


def test_another_process_has_it_until_it_dies(tmp_path):
  other = subprocess.Popen(
      [sys.executable, '-c', HOLD, tmp_path / 'a'], stdin=subprocess.PIPE,
      stdout=subprocess.PIPE, text=True,
  )
  assert other.stdout.readline() == 'held\n'
  with pytest.raises(UserError) as error, owned(tmp_path / 'a'):
    pass
  assert str(error.value) == (
      f'{tmp_path}/a is being written by another process ({other.pid} on '
      f'{os.uname().nodename}); wait for it, end it, or name another folder'
  )
  other.send_signal(signal.SIGKILL)
  other.communicate()
  assert (tmp_path / 'a/.lock').exists()  # which keeps nobody out
  with owned(tmp_path / 'a'):
    (tmp_path / 'a/result').touch()
  assert os.listdir(tmp_path / 'a') == ['result']


def test_it_may_be_had_again_and_with_another_lock(tmp_path):
  for _ in range(2):
    with owned(tmp_path), owned(tmp_path, '.other'):
      assert sorted(os.listdir(tmp_path)) == ['.lock', '.other']
  assert not os.listdir(tmp_path)


def test_a_folder_that_got_nothing_is_not_left_behind(tmp_path):
  with pytest.raises(ZeroDivisionError), owned(tmp_path / 'new'):
    1 / 0
  assert not (tmp_path / 'new').exists()


def test_the_owner_s_folder_may_be_removed(tmp_path):
  with owned(tmp_path / 'a' / 'b', 'working/lock'):
    for folder in ('working', ''):
      for name in os.listdir(tmp_path / 'a' / 'b' / folder):
        path = tmp_path / 'a' / 'b' / folder / name
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_place_that_takes_no_folder_is_one_sentence(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(UserError, match=(
      r'file/run cannot be written \(Not a directory\); fix its permissions '
      'or name another place'
  )), owned(tmp_path / 'file/run'):
    pass

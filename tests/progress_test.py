# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A stage is a bar on terminals, and at most one line elsewhere."""

import os
import pty
import sys
import termios

import pytest

from flamingo_jax import progress


def test_a_file_has_one_line_of_what_took_long(capsys, monkeypatch):
  assert list(progress.each(range(3), 'counting', 'numbers')) == [0, 1, 2]
  assert capsys.readouterr().err == ''
  monkeypatch.setattr(progress, '_LONG', -1.0)
  list(progress.each(range(3), 'counting', 'numbers'))
  with pytest.raises(ZeroDivisionError):
    with progress.stage('dividing', 2_000, 'numbers', done=5) as stage:
      stage.reach(7, 2_000)
      _ = 1 / 0
  assert capsys.readouterr().err.splitlines() == [
      'counting: 3 numbers in 0 s', 'dividing: 7 of 2,000 numbers in 0 s'
  ]


def test_a_terminal_has_a_bar(monkeypatch):
  reading, writing = pty.openpty()
  termios.tcsetwinsize(writing, (24, 80))
  monkeypatch.setattr(progress, '_SOON', 0.0)
  with os.fdopen(writing, 'w') as terminal:
    monkeypatch.setattr(sys, 'stderr', terminal)
    with progress.stage('counting', 4, 'numbers') as stage:
      stage.add(4)
    terminal.flush()
    shown = ''
    while '4/4' not in shown:
      shown += os.read(reading, 4096).decode()
  os.close(reading)
  assert 'counting: 100%' in shown

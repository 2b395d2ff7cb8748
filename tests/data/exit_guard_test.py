# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that a program ends although it reads ahead."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from flamingo_jax.data import exit_guard

_LEAVE_WHILE_READING = """
from flamingo_jax.data import quiet_tensorflow
quiet_tensorflow.load()
from flamingo_jax.data import batches, pipeline
from flamingo_jax.tasks import shapes

lengths = {'tokens': 64, 'media': 4, 'image_size': 64}
iterator = batches.get_batches(
    pipeline.DatasetConfig(
        'shapes_m3w', {'shapes_m3w': lengths}, 'train', {'shapes_m3w': 64},
        shuffle=True, seed=0,
    ), 0, 1,
)
next(iterator)
"""


def test_a_program_ends_while_it_reads_ahead_and_tensorflow_says_nothing():
  environ = {k: v for k, v in os.environ.items() if k != 'TF_CPP_MIN_LOG_LEVEL'}
  child = subprocess.run(
      [sys.executable, '-c', _LEAVE_WHILE_READING], env=environ, text=True,
      cwd=pathlib.Path(__file__).parents[2], stderr=subprocess.PIPE,
      check=False, timeout=120,
  )
  assert (child.returncode, child.stderr) == (0, '')


def test_closing_waits_for_calls_under_way_and_refuses_new_ones():
  guard = exit_guard.ExitGuard()
  begun, go = threading.Event(), threading.Event()

  def work(x):
    begun.set()
    assert go.wait(60)
    return x + 1

  work = guard.guard(work)
  with concurrent.futures.ThreadPoolExecutor() as pool:
    result = pool.submit(work, 1)
    assert begun.wait(60)
    closing = pool.submit(guard.close)
    with pytest.raises(concurrent.futures.TimeoutError):
      closing.result(timeout=0.5)
    with pytest.raises(RuntimeError, match='the program ends'):
      work(2)
    go.set()
    assert result.result(timeout=60) == 2
    closing.result(timeout=60)


def test_a_guard_counts_calls_that_fail():
  guard = exit_guard.ExitGuard()

  def fail():
    raise KeyError('x')

  with pytest.raises(KeyError):
    guard.guard(fail)()
  guard.close()

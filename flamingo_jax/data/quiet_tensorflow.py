# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Imports TensorFlow for a program: no chatter, no accelerator.

While its libraries are loaded TensorFlow writes, past all of its settings, what
concerns nobody: that it was compiled for more than one kind of processor, and
that it found no GPU, which it shall not use.
"""

from collections.abc import Iterator
import contextlib
import importlib
import os
import re
import signal
import sys

_LOG_LEVEL = 'TF_CPP_MIN_LOG_LEVEL'  # 0 shows everything, 2 errors
# Lines of information, of which the logging library adds that it is not set up.
_CHATTER = re.compile(
    rb'I\d{4} \d\d:|WARNING: All log messages before absl::InitializeLog|'
    rb'E\d{4} .*failed call to cuInit'
)


def load() -> None:
  """Imports tensorflow and seqio; does nothing where they are imported.

  Errors and what Python writes are shown; with TF_CPP_MIN_LOG_LEVEL=0 all is.
  """
  if 'tensorflow' in sys.modules:
    return
  os.environ.setdefault(_LOG_LEVEL, '2')
  shown = contextlib.nullcontext()
  with shown if os.environ[_LOG_LEVEL] == '0' else _without_chatter():
    with _without_scikit_learn():
      import tensorflow as tf
    importlib.import_module('seqio')  # loads libraries of its own
    # It only reads data; the accelerator's memory is JAX's.
    tf.config.set_visible_devices([], 'GPU')


@contextlib.contextmanager
def _without_scikit_learn() -> Iterator[None]:
  """Keras comes with TensorFlow, and would load it for wrappers of its own.

  Where it is installed, that takes a sixth of the time.
  """
  name = 'sklearn'
  if name in sys.modules:
    yield
    return
  sys.modules[name] = None  # which makes its import fail
  try:
    yield
  finally:
    del sys.modules[name]


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
  """Lines on stderr go through a process that leaves some out.

  A process and not a thread, so that the last words of a library that aborts
  are still shown.
  """
  sys.stderr.flush()
  stderr = os.dup(2)
  source, sink = os.pipe()
  # Signals are for the program to handle, and may come at once.
  signals = (signal.SIGINT, signal.SIGTERM)
  before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
  child = os.fork()
  if not child:
    os.close(sink)
    _filter(source, stderr)
  signal.pthread_sigmask(signal.SIG_SETMASK, before)
  os.close(source)
  os.dup2(sink, 2)
  os.close(sink)
  try:
    yield
  finally:
    sys.stderr.flush()
    os.dup2(stderr, 2)  # closes the pipe, which ends the child
    os.close(stderr)
    os.waitpid(child, 0)


def _filter(source: int, sink: int) -> None:
  """Copies lines that are no chatter until the pipe is closed, and exits.

  SIGINT and SIGTERM stay blocked.
  """
  try:
    with os.fdopen(source, 'rb') as lines:
      for line in lines:
        if not _CHATTER.match(line):
          os.write(sink, line)
  finally:
    os._exit(0)

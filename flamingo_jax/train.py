# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The built-in driver: python -m flamingo_jax.train --gin_file=FILE.gin.

Runs the gin files that t5x's train.py runs: they say
`import __main__ as train_script` and bind `train_script.train`.
"""

import argparse
from collections.abc import Sequence
import sys

from flamingo_jax.data import quiet_tensorflow
from flamingo_jax.training import interrupt

if __name__ == '__main__':  # both before the imports that take seconds
  interrupt.exit_on_signals()
  quiet_tensorflow.load()

from absl import logging
import gin

from flamingo_jax import gin_config
from flamingo_jax.errors import UserError
from flamingo_jax.training import processes
from flamingo_jax.training.checkpoint import is_full_disk
from flamingo_jax.training.loop import train


def parse_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
  """(gin files, bindings without --gin.)."""
  parser = argparse.ArgumentParser(
      description='Trains what gin files describe.',
      epilog='--gin.NAME=VALUE sets a gin name, for example '
      '--gin.TRAIN_STEPS=1000.',
  )
  parser.add_argument('--gin_file', action='append', required=True)
  arguments, rest = parser.parse_known_args(argv)
  for argument in rest:
    if not argument.startswith('--gin.'):
      parser.error(f'unknown argument {argument}')
  return arguments.gin_file, [a.removeprefix('--gin.') for a in rest]


def main(argv: Sequence[str] | None = None) -> int:
  """Parses, trains, and returns the exit code: 2 for errors of the user."""
  gin_files, bindings = parse_arguments(sys.argv[1:] if argv is None else argv)
  logging.set_verbosity(logging.WARNING)
  train_using_gin = gin.configurable(train)
  try:
    processes.join()
    gin_config.parse(gin_files, bindings)
    gin_config.one_sentence(train_using_gin)
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  except Exception as error:
    if not is_full_disk(error):
      raise
    print(
        f'error: the disk is full ({error}); free some space and run the same '
        'command again, it continues from the newest checkpoint',
        file=sys.stderr,
    )
    return 2
  return 0


if __name__ == '__main__':
  sys.exit(main())

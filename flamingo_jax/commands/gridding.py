# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo grid: the best of several trainings."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.running import GIN_MACROS, add_gin_file


def add_grid(commands: Any) -> None:
  """The flags of `flamingo grid`."""
  parser = add_command(
      commands, 'grid', run_grid,
      'train once for each combination of values, and find the best',
      'flamingo grid --gin_file=configs/finetune_own_data.gin \\\n'
      '      --data=pairs.jsonl --validation=held_out.jsonl \\\n'
      '      --gin.INITIAL_WEIGHTS=runs/own --try=LEARNING_RATE=1e-5,1e-6 \\\n'
      '      --try=BATCH_SIZE=8,16 --out=runs/grid')
  add_gin_file(parser)
  parser.add_argument('--try', action='append', required=True, type=_values,
                      dest='tried', metavar='NAME=VALUE,...',
                      help='values of a gin name; may be repeated, for all '
                      'combinations')
  parser.add_argument('--out', required=True, metavar='DIR',
                      help='a folder for the runs and their scores')
  parser.add_argument('--data', metavar='FILE.jsonl', help='sets DATA')
  parser.add_argument('--validation', metavar='FILE.jsonl',
                      help='sets VALIDATION: not trained on; decides which run '
                      'and step are best')
  parser.add_argument('--steps', type=int, metavar='N', help='sets TRAIN_STEPS')


def run_grid(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains once for each combination of values, and says which is best.

  The gin file must choose a step by a metric, as those for fine-tuning do. Each
  run gets a folder in DIR; DIR/grid.md and grid.json have the scores, the best
  first. If interrupted, the same command resumes. --gin.NAME=value applies to
  every run.
  """
  from etils import epath

  from flamingo_jax import grid

  flags = [f'--gin_file={name}' for name in options.gin_file]
  flags += [
      f'--{flag}={getattr(options, flag)}' for flag in GIN_MACROS['train']
      if getattr(options, flag, None) is not None
  ]
  rows = grid.search(grid.Grid(
      epath.Path(options.out), (*flags, *rest), dict(options.tried)
  ))
  print(grid.as_markdown(rows), end='')


def _values(text: str) -> tuple[str, list[str]]:
  """'NAME=1,2' to the name and its values, for argparse."""
  name, _, values = text.partition('=')
  found = [value.strip() for value in values.split(',')]
  if not name or not all(found) or len(set(found)) < len(found):
    raise argparse.ArgumentTypeError(
        f'{text!r} is not NAME=VALUE,VALUE with values that differ'
    )
  return name, found

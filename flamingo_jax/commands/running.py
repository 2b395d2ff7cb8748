# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo train, eval and infer: the programs that gin files configure."""

import argparse
from collections.abc import Sequence
import runpy
import sys
from typing import Any

from flamingo_jax.commands import add_command, seed
from flamingo_jax.commands import evaluating

# Flags of the programs that gin files configure, and the macros they set.
GIN_MACROS = {
    'train': {
        'data': 'DATA', 'validation': 'VALIDATION', 'model_dir': 'MODEL_DIR',
        'steps': 'TRAIN_STEPS', 'seed': 'SEED',
        'cache_media': 'train.cache_media',
    },
    'eval': {
        'data': 'DATA_DIR', 'model_dir': 'MODEL_DIR',
        'out': 'OUTPUT_DIR', 'frames': 'FRAMES', 'fps': 'FPS',
    },
    'infer': {
        'model_dir': 'MODEL_DIR', 'out': 'OUTPUT_DIR', 'mode': 'MODE',
        'frames': 'FRAMES', 'fps': 'FPS',
    },
}

_TRAIN = (
    'flamingo train --gin_file=configs/own_data.gin --data=pairs.jsonl \\\n'
    '      --model_dir=runs/own --steps=1000'
)
_EVAL = (
    'flamingo eval --list',
    'flamingo eval --benchmark=vqav2 --shots=0,4,32 --data=DATA \\\n'
    '      --model_dir=runs/own',
    'flamingo eval --replay=runs/own/eval/SETTINGS/card.json',
    'flamingo eval --gin_file=configs/eval_benchmark.gin --data=DATA \\\n'
    '      --model_dir=runs/own',
)


def passes_to_gin(command: str, argument: str) -> bool:
  """Whether an argument is a `--gin.NAME=value` of a command with gin files."""
  is_gin = argument.startswith('--gin.') and '=' in argument
  return is_gin and command in (*GIN_MACROS, 'grid', 'plan', 'ablate', 'check')


def add_train(commands: Any) -> None:
  """The flags of `flamingo train`."""
  parser = add_command(commands, 'train', run_train, 'train or resume a model',
                       _TRAIN)
  add_gin_file(parser)
  parser.add_argument('--data', metavar='FILE.jsonl', help='sets DATA')
  parser.add_argument('--validation', metavar='FILE.jsonl',
                      help='sets VALIDATION: data to score checkpoints on, '
                      'never trained on; --step=best then finds the best one')
  parser.add_argument('--model_dir', metavar='DIR', help='sets MODEL_DIR')
  parser.add_argument('--steps', type=int, metavar='N', help='sets TRAIN_STEPS')
  parser.add_argument('--seed', type=seed, metavar='S', help='sets SEED')
  parser.add_argument('--cache_media', nargs='?', const=True, metavar='DIR',
                      help='encode each picture only once and keep its '
                      'features in DIR (default: MODEL_DIR/media_cache)')


def add_eval(commands: Any) -> None:
  """The flags of `flamingo eval`."""
  parser = add_command(commands, 'eval', run_eval,
                       'score a model on few-shot tasks', *_EVAL)
  add_gin_file(parser, required=False)
  parser.add_argument('--model_dir', metavar='DIR', help='sets MODEL_DIR')
  parser.add_argument('--out', metavar='DIR',
                      help='sets OUTPUT_DIR (default: MODEL_DIR/eval)')
  evaluating.add_flags(parser)


def add_infer(commands: Any) -> None:
  """The flags of `flamingo infer`."""
  parser = add_command(commands, 'infer', run_infer,
                       "write a model's answers as JSONL",
                       'flamingo infer --gin_file=configs/infer_shapes.gin '
                       '--model_dir=runs/shapes')
  add_gin_file(parser)
  parser.add_argument('--model_dir', metavar='DIR', help='sets MODEL_DIR')
  parser.add_argument('--out', metavar='DIR',
                      help='sets OUTPUT_DIR (default: MODEL_DIR/infer)')
  parser.add_argument('--mode', metavar='MODE',
                      help='predict, predict_with_aux or score')
  evaluating.add_sampling(parser, "the tasks' own number")


def add_gin_file(parser: Any, required: bool = True) -> None:
  """The configuration of a program."""
  parser.add_argument('--gin_file', action='append', required=required,
                      metavar='FILE',
                      help='a configuration file; may be repeated')


def run_train(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains a model, or resumes a run that was stopped.

  --gin.NAME=value sets any other macro or parameter of the configuration.
  """
  run_program(options, rest)


def run_eval(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Scores a model on a benchmark, or on the tasks of a gin file.

  Put a benchmark's annotation files and pictures into DATA/<benchmark>; --list
  says which ones. Each score gets a folder in --out, with a card that records
  how it was made, the predictions in the form that the benchmark's server
  takes, and every query with its shots. If interrupted, the same command
  resumes.

  With a gin file, it prints a table over shots, or a line per metric. --out
  gets results.json, shots.csv, shots.png and the answer to each example.
  --gin.NAME=value sets any other macro or parameter of the configuration.
  """
  if evaluating.is_asked(options):
    evaluating.run(options, rest)
  else:
    run_program(options, rest)


def run_infer(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Writes a line per example of each task, and prints the names of the files.

  If interrupted, the same command resumes.
  """
  run_program(options, rest)


def run_program(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Runs flamingo_jax.<command> with the flags as gin macros."""
  macros = [
      f'--gin.{macro}={getattr(options, flag)!r}'
      for flag, macro in GIN_MACROS[options.command].items()
      if getattr(options, flag) is not None
  ]
  files = [f'--gin_file={name}' for name in options.gin_file]
  module = f'flamingo_jax.{options.command}'
  argv = sys.argv
  # Gin files call it `__main__`, as they do t5x's program.
  sys.argv = [module, *files, *macros, *rest]
  try:
    runpy.run_module(module, run_name='__main__', alter_sys=True)
  finally:
    sys.argv = argv

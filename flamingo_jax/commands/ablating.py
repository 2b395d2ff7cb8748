# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo ablate: the paper's ablations on the tiny model."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command, seed


def add_ablate(commands: Any) -> None:
  """The flags of `flamingo ablate`."""
  parser = add_command(commands, 'ablate', run_ablate,
                       "run the paper's ablations on the tiny model",
                       'flamingo ablate --runs=no_gate,every_2nd --steps=400 '
                       '--seeds=0,1 --out=DIR')
  parser.add_argument('--runs', required=True, metavar='NAME,...',
                      help='rows of ablations/table.py; the unchanged model is '
                      'always run too')
  parser.add_argument('--out', required=True, metavar='DIR',
                      help='a folder for the runs and the results')
  parser.add_argument('--steps', type=int, default=600, metavar='N',
                      help='training steps of each run (default: 600)')
  parser.add_argument(
      '--seeds', type=lambda text: list(map(seed, text.split(','))),
      default=[0], metavar='S,...',
      help='train each run once with each seed (default: 0)',
  )
  parser.add_argument('--examples', type=int, default=200, metavar='N',
                      help='examples per task to score (default: 200); an '
                      'episode is one example per possible answer')
  parser.add_argument('--cache_media', action='store_true',
                      help='encode each picture only once and keep its '
                      'features in DIR/media, for all runs with the same seed')


def run_ablate(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains and scores the tiny model with one thing changed at a time.

  Each run gets a folder in DIR. DIR/ablations.md compares the differences from
  the unchanged model with those in the paper, and ablations.json has all
  scores. If interrupted, the same command resumes. --gin.NAME=value applies to
  every run.
  """
  from etils import epath

  from flamingo_jax import ablation

  rows = ablation.ablate(
      options.runs.split(','), options.seeds,
      ablation.Ablating(
          epath.Path(options.out), options.steps, options.examples,
          tuple(rest), options.cache_media,
      ),
  )
  print(ablation.as_markdown(rows), end='')

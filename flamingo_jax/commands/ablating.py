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
                       'run the ablations of the paper on the tiny model',
                       'flamingo ablate --runs=no_gate,every_2nd --steps=400 '
                       '--seeds=0,1 --out=DIR')
  parser.add_argument('--runs', required=True, metavar='NAME,...',
                      help='rows of ablations/table.py; the base is run too')
  parser.add_argument('--out', required=True, metavar='DIR')
  parser.add_argument('--steps', type=int, default=600, metavar='N',
                      help='updates of each run')
  parser.add_argument(
      '--seeds', type=lambda text: list(map(seed, text.split(','))),
      default=[0], metavar='S,...',
  )
  parser.add_argument('--examples', type=int, default=200, metavar='N',
                      help='of each task of the evaluation; an episode '
                      'counts once for each of its possible answers')
  parser.add_argument('--cache_media', action='store_true',
                      help='keep what the frozen vision encoder makes of '
                      'pictures in DIR/media, for other runs of the seed')


def run_ablate(options: argparse.Namespace, rest: Sequence[str]) -> None:
  """Trains and scores the tiny model with one thing changed at a time.

  Each run is a folder of DIR; DIR/ablations.md has the differences from the
  base beside those of the paper, and ablations.json all scores. The same
  command goes on where it was interrupted. --gin.NAME=value holds for every
  training.
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

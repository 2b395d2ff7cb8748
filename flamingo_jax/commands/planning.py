# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo plan: a run on a TPU slice that need not be here."""

import argparse
from collections.abc import Sequence
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.running import add_gin_file


def add_plan(commands: Any) -> None:
  """The flags of `flamingo plan`."""
  parser = add_command(commands, 'plan', run_plan,
                       'say what a TPU slice would make of a run')
  add_gin_file(parser)
  parser.add_argument('--topology', required=True, metavar='CHIP:SHAPE',
                      help='for example v5e:16x16')
  parser.add_argument('--slices', type=int, default=1, metavar='N',
                      help='so many of them, joined by the data-centre network')
  parser.add_argument('--mesh', metavar='AXIS:N,...',
                      help="for example fsdp:16,model:4; the file's if not given")
  parser.add_argument('--search', action='store_true',
                      help='try meshes and remat policies, minutes each')
  parser.add_argument('--decode', action='store_true',
                      help='of inference at 32 shots instead of training')
  parser.add_argument('--json', action='store_true')


def run_plan(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Compiles a run's train step for a TPU slice that need not be here.

    flamingo plan --gin_file=configs/flamingo_9b.gin --topology=v5e:16x16

  Says whether it fits, and predicts the time of a step. Neither data, weights
  nor a vocabulary are needed. The exit status is 1 where it does not fit.
  """
  from flamingo_jax.planning import program

  return program.main(
      options.gin_file, [a.removeprefix('--gin.') for a in rest],
      topology=options.topology, slices=options.slices, mesh=options.mesh,
      search=options.search, decode=options.decode, json=options.json)

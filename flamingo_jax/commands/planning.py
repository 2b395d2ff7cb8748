# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo plan: a run on a TPU slice that need not be here."""

import argparse
from collections.abc import Mapping, Sequence
import sys
from typing import Any

from flamingo_jax.commands import add_command
from flamingo_jax.commands.running import add_gin_file
from flamingo_jax.errors import UserError


def add_plan(commands: Any) -> None:
  """The flags of `flamingo plan`."""
  parser = add_command(commands, 'plan', run_plan,
                       'predict memory and speed of a run on a TPU slice',
                       'flamingo plan --gin_file=configs/lm_tiny_value.gin '
                       '--topology=v5e:2x2')
  add_gin_file(parser)
  parser.add_argument('--topology', required=True, metavar='CHIP:SHAPE',
                      help='the TPU slice, such as v5e:16x16')
  parser.add_argument('--slices', type=int, default=1, metavar='N',
                      help='number of such slices, joined by the data-centre '
                      'network (default: 1)')
  parser.add_argument('--mesh', metavar='AXIS:N,...',
                      help="the devices as a grid, such as fsdp:16,model:4 "
                      "(default: the gin file's)")
  parser.add_argument('--search', action='store_true',
                      help='try several meshes and rematerialisation policies; '
                      'each takes minutes')
  parser.add_argument('--decode', action='store_true',
                      help='plan inference at 32 shots instead of training')
  parser.add_argument('--json', action='store_true',
                      help='print all numbers as JSON')


def run_plan(options: argparse.Namespace, rest: Sequence[str]) -> int:
  """Compiles a run's training step for a TPU slice, which you need not have.

  It says whether the step fits in memory and predicts how long it takes. It
  needs no data, weights or vocabulary. The exit status is 1 if it does not fit.
  """
  from flamingo_jax.data import quiet_tensorflow
  quiet_tensorflow.load()

  import jax

  from flamingo_jax.planning import plan, planned_run, printout, topologies
  from flamingo_jax.sharding import parse_mesh

  topologies.parse(options.topology)  # before the seconds that the rest takes
  mesh = parse_mesh(options.mesh) if options.mesh else None
  jax.config.update('jax_platforms', 'cpu')
  run = planned_run.read(
      options.gin_file, [a.removeprefix('--gin.') for a in rest]
  )
  topology = topologies.get_topology(options.topology, options.slices)
  if options.search:
    plans = _search(run, topology, mesh)
  elif options.decode:
    plans = _decode(run, topology, mesh)
  else:
    plans = [plan.make_plan(run, topology, mesh)]
  if options.json:
    print('\n'.join(map(printout.as_json, plans)))
  elif options.search:
    print(f'{printout.as_table(plans)}\n{printout.advice(plans)}')
  else:
    print('\n\n'.join(map(printout.as_text, plans)))
  fitting = [planned.fits for planned in plans]
  return 0 if (any if options.search else all)(fitting) else 1


def _search(run: Any, topology: Any, mesh: Mapping[str, int] | None) -> list:
  """What the search compiled, each told on stderr while it goes on."""
  from flamingo_jax.planning import mesh_search, printout

  plans = []
  for plan in mesh_search.search(run, topology, mesh):
    line = printout.as_table([plan]).splitlines()[1]
    print(line, file=sys.stderr, flush=True)
    plans.append(plan)
  if not plans:
    raise UserError(
        f'no mesh of the {topology.chips} chips of {topology.name} both '
        'divides the model and its batch and holds the weights: make every '
        f'batch size a multiple of {topology.chips}, or take a larger slice'
    )
  return plans


def _decode(run: Any, topology: Any, mesh: Mapping[str, int] | None) -> list:
  """Of pictures, of prompts, and of the next token of each."""
  from flamingo_jax.planning import decode
  from flamingo_jax.training.trained_model import FlamingoModel

  if not isinstance(run.model, FlamingoModel):
    raise UserError(
        f'--decode plans the answers of a Flamingo, and this gin file trains '
        f'{run.model.config.MODEL}: leave it out to plan the training'
    )
  return [*decode.make_plans(run, topology, mesh).values()]

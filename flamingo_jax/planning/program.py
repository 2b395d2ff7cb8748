# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What `flamingo plan` does."""

from collections.abc import Mapping, Sequence
import os
import sys

# Before TensorFlow is imported, which says much that concerns nobody.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import jax

from flamingo_jax.errors import UserError
from flamingo_jax.planning import report, run_file, topologies
from flamingo_jax.planning.decode import make_plans as make_decode_plans
from flamingo_jax.planning.plan import Plan, make_plan
from flamingo_jax.planning.search import search as search_settings
from flamingo_jax.sharding import MESH_AXES


def main(
    gin_files: Sequence[str],
    bindings: Sequence[str],
    *,
    topology: str,
    slices: int = 1,
    mesh: str | None = None,
    search: bool = False,
    decode: bool = False,
    json: bool = False,
) -> int:
  """Prints the plan of a run.

  Args:
    gin_files: of the run.
    bindings: 'NAME=value', which override the files.
    topology: a slice, as in 'v5e:16x16'.
    slices: so many of it, with a part of 'replica' each.
    mesh: 'replica:4,fsdp:16,model:4'; the run's own if None.
    search: try other meshes (or `mesh` alone), policies and microbatches
      instead, and rank them.
    decode: plan inference at 32 shots instead of training.
    json: print JSON.

  Returns:
    The exit status: 0, or 1 where it (or all that was tried) does not fit.
  """
  topologies.parse(topology)  # before the seconds that the rest takes
  shape = parse_mesh(mesh) if mesh else None
  jax.config.update('jax_platforms', 'cpu')
  run = run_file.read(gin_files, bindings)
  chips = topologies.get_topology(topology, slices)
  if search:
    plans = _tried(run, chips, shape)
  elif decode:
    plans = list(make_decode_plans(run, chips, shape).values())
  else:
    plans = [make_plan(run, chips, shape)]
  if json:
    print('\n'.join(map(report.as_json, plans)))
  elif search:
    print(f'{report.as_table(plans)}\n{report.advice(plans)}')
  else:
    print('\n\n'.join(map(report.as_text, plans)))
  fitting = [plan.fits for plan in plans]
  return 0 if (any if search else all)(fitting) else 1


def _tried(
    run: run_file.Run,
    topology: topologies.Topology,
    mesh: Mapping[str, int] | None,
) -> list[Plan]:
  """What the search compiled, each told on stderr while it goes on."""
  plans = []
  for plan in search_settings(run, topology, mesh):
    print(report.as_table([plan]).splitlines()[1], file=sys.stderr, flush=True)
    plans.append(plan)
  if not plans:
    raise UserError(
        f'no mesh of the {topology.chips} chips of {topology.name} both '
        'divides the model and its batch and holds the weights: make every '
        f'batch size a multiple of {topology.chips}, or take a larger slice'
    )
  return plans


def parse_mesh(text: str) -> dict[str, int]:
  """'fsdp:16,model:4' as sizes by axis.

  Raises:
    UserError: an axis that there is none of, or a size that is no number.
  """
  shape = {}
  for part in text.split(','):
    axis, _, size = part.partition(':')
    if axis not in MESH_AXES or not size.isdigit() or int(size) < 1:
      raise UserError(
          f'--mesh={text} has {part!r}: write AXIS:SIZE with an axis of '
          f'{", ".join(MESH_AXES)}, for example fsdp:16,model:4'
      )
    shape[axis] = int(size)
  return shape

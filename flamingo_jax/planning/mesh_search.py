# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A short search for a mesh, remat policy and microbatches that fit."""

from collections.abc import Iterator, Mapping

from flamingo_jax.errors import UserError
from flamingo_jax.planning.plan import HEADROOM, Plan, argument_gib, make_plan
from flamingo_jax.planning.planned_run import PlannedRun
from flamingo_jax.planning.topologies import Topology

# (rematerialisation, microbatches), the likely fastest first: a microbatch
# gathers the trainables once more, 'full' runs the forward pass once more.
_SAVINGS = (('dots', 1), ('dots', 2), ('full', 1), ('full', 2), ('full', 4))
_MODEL_SIZES = (1, 2, 4, 8, 16)


def search(
    run: PlannedRun,
    topology: Topology,
    mesh_shape: Mapping[str, int] | None = None,
) -> Iterator[Plan]:
  """Plans of a few settings, as they are compiled (minutes each).

  For each size of tensor parallelism that divides the model, it takes the
  first way to save activations that leaves enough memory. What a larger size
  brings, it costs in communication: it ends where that makes a step slower.
  A mesh that is given is the only one.
  """
  meshes = [mesh_shape] if mesh_shape else [
      {'fsdp': topology.chips // model, 'model': model}
      for model in _MODEL_SIZES if topology.chips % model == 0
  ]
  fastest = float('inf')
  for mesh in meshes:
    found = None
    for found in _of_mesh(run, topology, mesh):
      yield found
    if found is None or not _has_room(found):
      continue
    if found.seconds[1] > fastest:
      return
    fastest = found.seconds[1]


def _of_mesh(
    run: PlannedRun, topology: Topology, mesh: Mapping[str, int]
) -> Iterator[Plan]:
  """Plans of one mesh, up to the first that leaves enough memory."""
  room = (1 - HEADROOM) * topology.chip.hbm_gib
  for rules in _rules(mesh):
    try:
      setting = run.with_setting(rules, run.remat, None)
      gib = argument_gib(setting, topology, mesh)
    except UserError:
      return  # it does not divide the model or the batch
    if gib > room:
      continue  # no saving of activations helps
    for remat, microbatches in _savings(run):
      setting = run.with_setting(rules, remat, microbatches)
      try:
        plan = make_plan(setting, topology, mesh)
      except UserError:
        continue  # the batch is not to be cut so far
      yield plan
      if _has_room(plan):
        return
    return


def _savings(run: PlannedRun) -> tuple[tuple[str, int], ...]:
  """What to try; a model without a decoder has neither of both."""
  has_decoder = hasattr(run.model.config, 'decoder')
  return _SAVINGS if has_decoder else ((run.remat, 1),)


def _rules(mesh: Mapping[str, int]) -> tuple[str, str]:
  """The tables for a mesh: frozen weights whole along fsdp, and split."""
  if mesh.get('model', 1) == 1:
    return 'fsdp_trainable', 'fsdp'
  return 'sequence_parallel', 'fsdp_sequence_parallel'


def _has_room(plan: Plan) -> bool:
  return plan.accepted and plan.memory.spare >= HEADROOM

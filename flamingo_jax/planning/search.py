# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A short search for a mesh and a remat policy that fit and are fast."""

from collections.abc import Iterator
import dataclasses

from flamingo_jax.errors import UserError
from flamingo_jax.planning.plan import HEADROOM, Plan, make_plan
from flamingo_jax.planning.run_file import Run
from flamingo_jax.planning.topologies import Topology

# From the one that computes nothing again to the one that keeps nothing.
_POLICIES = ('none', 'dots', 'full')
_MODEL_SIZES = (1, 2, 4, 8, 16)


def search(run: Run, topology: Topology) -> Iterator[Plan]:
  """Plans of a few settings, as they are compiled (minutes each).

  For each size of tensor parallelism that divides the model, it takes the first
  rematerialisation that leaves enough memory.
  """
  for model in _MODEL_SIZES:
    if topology.chips % model:
      continue
    rules = 'fsdp' if model == 1 else 'sequence_parallel'
    for policy in _POLICIES:
      try:
        plan = make_plan(
            with_setting(run, policy, rules), topology,
            {'fsdp': topology.chips // model, 'model': model},
        )
      except UserError:
        break  # this mesh divides the model or the batch with no policy
      yield plan
      if plan.memory.spare >= HEADROOM:
        break


def with_setting(run: Run, remat: str, rules: str) -> Run:
  """The run with another rematerialisation and rule table."""
  decoder = dataclasses.replace(run.config.decoder, remat=remat)
  config = dataclasses.replace(run.config, decoder=decoder)
  return dataclasses.replace(run, config=config, rules=rules)

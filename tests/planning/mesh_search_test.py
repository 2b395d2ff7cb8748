# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a search tries, and what it advises; compiling is told, not done."""

import jax
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.planning import hlo_cost, mesh_search, printout
from flamingo_jax.planning.plan import Memory, Plan
from flamingo_jax.planning.topologies import CHIPS, Topology

SLICE = Topology('v5e:4x4', CHIPS['v5e'], (4, 4), jax.devices()[:1] * 16)


@pytest.fixture
def compiler(monkeypatch):
  """Says what a setting needs: GiB by (model, remat, parts); what it saw."""
  needs, seen = {}, []

  def make_plan(run, topology, mesh):
    model, parts = mesh.get('model', 1), run.num_microbatches
    setting = model, run.remat, parts
    seen.append(setting)
    if setting not in needs:
      raise UserError('does not divide')
    gib, seconds = needs[setting]
    return Plan(
        topology=topology.name, chips=16, mesh=mesh, rules=run.rules,
        remat=run.remat, num_microbatches=parts, program='step',
        accepted=gib < 16, compile_seconds=1.0,
        memory=Memory(1.0, 0.0, 0.0, 0.0, gib - 1.0, 15.75),
        cost=hlo_cost.Cost(1.0, 1.0, seconds, 0.0, ()), peak_flops=1.0,
    )

  monkeypatch.setattr(mesh_search, 'make_plan', make_plan)
  monkeypatch.setattr(mesh_search, 'argument_gib', lambda *_: 1.0)
  return needs, seen


def test_each_mesh_saves_as_little_as_it_can(compiler, small_run):
  needs, seen = compiler
  needs |= {
      (1, 'dots', 1): (17, 1.0), (1, 'dots', 2): (15, 1.2),
      (1, 'full', 1): (12, 1.5), (2, 'dots', 1): (10, 1.3),
      (4, 'dots', 1): (8, 1.6),
  }
  plans = list(mesh_search.search(small_run, SLICE))
  # 15 of 15.75 GiB is accepted, but leaves too little; model 4 is slower than
  # model 2, and larger sizes are not tried.
  assert seen == list(needs)
  lines = printout.as_table(plans).splitlines()
  assert lines[1].startswith('fsdp:16  ') and ' dots ' in lines[1]
  assert 'no fit' in lines[-1]
  assert printout.advice(plans) == (
      "fits: --mesh=fsdp:8,model:2 "
      "--gin.LOGICAL_AXIS_RULES=\"'sequence_parallel'\" "
      "--gin.REMAT=\"'dots'\" --gin.runtime.Trainer.num_microbatches=1"
  )


def test_a_mesh_that_is_given_is_the_only_one(compiler, small_run):
  needs, seen = compiler
  needs[2, 'dots', 1] = 20, 1.0
  needs[2, 'dots', 2] = 18, 1.0
  plans = list(mesh_search.search(small_run, SLICE, {'fsdp': 8, 'model': 2}))
  # The others are refused, as a batch that cannot be cut so far is.
  assert len(plans) == 2 and seen[2:] == [
      (2, 'full', 1), (2, 'full', 2), (2, 'full', 4)
  ]
  assert printout.advice(plans).startswith('none of these leaves 10% of')


def test_nothing_is_compiled_whose_weights_alone_are_too_large(
    compiler, small_run, monkeypatch
):
  _, seen = compiler
  gib = {'fsdp_trainable': 30.0, 'fsdp': 2.0}
  monkeypatch.setattr(mesh_search, 'argument_gib', lambda run, *_: gib[run.rules])
  rules = []
  make_plan = mesh_search.make_plan
  monkeypatch.setattr(mesh_search, 'make_plan', lambda run, *rest: (
      rules.append(run.rules) or make_plan(run, *rest)
  ))
  assert not list(mesh_search.search(small_run, SLICE, {'fsdp': 16}))
  assert set(rules) == {'fsdp'} and len(rules) == len(seen)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles the real train step of a run for chips that are not here."""

from collections.abc import Mapping
import dataclasses
import math
import re
import time
from typing import Any

import jax

from flamingo_jax import progress
from flamingo_jax.errors import UserError
from flamingo_jax.planning import hlo_cost, interconnect
from flamingo_jax.planning.model_flops import train_flops
from flamingo_jax.planning.planned_run import PlannedRun
from flamingo_jax.planning.topologies import Topology
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    Trainer,
    TrainState,
    abstract_state,
)
from flamingo_jax.training.trained_model import Batch
from flamingo_jax.typing import Tree

GIB = 2**30
# What a plan has to leave free: runtimes differ a little in what they keep.
HEADROOM = 0.1


@dataclasses.dataclass(frozen=True)
class Memory:
  """GiB per chip, by kind."""

  frozen: float
  trainable: float
  optimizer: float
  batch: float
  temporaries: float  # activations, gradients, gathered weights
  limit: float

  @property
  def total(self) -> float:
    """What the program needs at once, at most.

    Arguments and temporaries; XLA's own peak is up to a fifth lower.
    """
    return (
        self.frozen + self.trainable + self.optimizer + self.batch
        + self.temporaries
    )

  @property
  def spare(self) -> float:
    """The share of the memory that surely stays free; it can be negative."""
    return 1 - self.total / self.limit


@dataclasses.dataclass(frozen=True)
class Plan:
  """Predicted, not measured: what a step needs on a slice."""

  topology: str
  chips: int
  mesh: Mapping[str, int]
  rules: str
  remat: str
  num_microbatches: int
  program: str  # 'step', or of decoding: 'prefill' or 'token'
  accepted: bool  # by the compiler, which enforces the limit on its own count
  memory: Memory
  compile_seconds: float
  # None where the program is refused; the compiler then says why.
  cost: hlo_cost.Cost | None = None
  refusal: tuple[str, ...] = ()
  model_flops: float = 0.0  # of a step, on all chips
  peak_flops: float = 0.0  # of a chip, per second
  tokens: int = 0
  pictures: int = 0
  total_steps: int | None = None

  @property
  def fits(self) -> bool:
    """Accepted, and arguments and temporaries are within the limit too.

    The compiler counts temporaries of which some share their place; whether a
    chip's runtime manages with as little, nobody here has tried.
    """
    return self.accepted and self.memory.spare >= 0

  @property
  def seconds(self) -> tuple[float, float]:
    """A step's time: all communication overlapped, and none."""
    compute = self.cost.compute_seconds
    communication = self.cost.communication_seconds
    return max(compute, communication), compute + communication

  @property
  def mfu(self) -> tuple[float, float]:
    """Model FLOPs over what the chips could do: none overlapped, and all."""
    best, worst = self.seconds
    share = self.model_flops / self.chips / self.peak_flops
    return share / worst, share / best


def make_plan(
    run: PlannedRun,
    topology: Topology,
    mesh_shape: Mapping[str, int] | None = None,
) -> Plan:
  """Lowers and compiles the train step of `run` without allocating anything.

  Raises:
    UserError: a mesh that is not of the slice's size, a batch or a parameter
      that the mesh doesn't divide.
  """
  partitioner = _partitioner(run, topology, mesh_shape)
  state, frozen, batch = _arguments(run, partitioner)
  trainer = Trainer(
      run.model, partitioner, lambda step: 0.0, run.loss_weights,
      run.num_microbatches,
  )
  start = time.monotonic()
  lowered = trainer.lower_train(state, frozen, batch)
  return compile_plan(
      lowered, topology, partitioner, start,
      sizes=_sizes(state, frozen, batch),
      rules=run.rules,
      remat=run.remat,
      num_microbatches=run.num_microbatches or 1,
      program='step',
      model_flops=train_flops(run.model, state.params, frozen, batch),
      tokens=run.tokens,
      pictures=run.pictures,
      total_steps=run.total_steps,
  )[0]


def argument_gib(
    run: PlannedRun, topology: Topology, mesh_shape: Mapping[str, int]
) -> float:
  """GiB per chip of a step's arguments, which takes seconds to say.

  Raises:
    UserError: as of `make_plan`.
  """
  arguments = _arguments(run, _partitioner(run, topology, mesh_shape))
  return math.fsum(_sizes(*arguments).values())


def _partitioner(
    run: PlannedRun, topology: Topology, mesh_shape: Mapping[str, int] | None
) -> Partitioner:
  """A mesh of the slice that divides the run's batch."""
  partitioner = Partitioner(
      mesh_shape or run.mesh_shape, run.rules, topology.devices
  )
  partitioner.get_data_layout(math.gcd(*run.batch_sizes.values()))
  return partitioner


def _arguments(
    run: PlannedRun, partitioner: Partitioner
) -> tuple[TrainState, Tree, Batch]:
  """(state, frozen weights, batch) of a step, as shapes in their places."""
  batch = run.abstract_batch(partitioner.batch_sharding)
  return *abstract_state(run.model, partitioner), batch


def _sizes(state: TrainState, frozen: Tree, batch: Batch) -> dict[str, float]:
  """GiB per chip by kind."""
  return {
      'frozen': shard_gib(frozen),
      'trainable': shard_gib(state.params),
      'optimizer': shard_gib(state.opt_state),
      'batch': shard_gib(batch),
  }


def compile_plan(
    lowered: jax.stages.Lowered,
    topology: Topology,
    partitioner: Partitioner,
    start: float,
    sizes: Mapping[str, float],
    **described: Any,
) -> tuple[Plan, jax.stages.Compiled | None]:
  """Compiles for the slice and reads what comes out, or why nothing does.

  `start` is `time.monotonic()` before lowering, `sizes` are GiB per chip of the
  program's arguments, and `described` the fields of `Plan` that its text does
  not tell.
  """
  what = described | {
      'topology': topology.name,
      'chips': topology.chips,
      'mesh': dict(partitioner.mesh.shape),
      'peak_flops': topology.chip.peak_flops,
  }
  limit = topology.chip.hbm_gib
  progress.say(
      f'compiling {what["program"]} for {topology.name}, which takes minutes if '
      'the model is large'
  )
  try:
    compiled = lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    needed, reasons = read_refusal(str(error))
    temporaries = max(needed - sum(sizes.values()), 0.0)
    return Plan(
        accepted=False,
        memory=Memory(**sizes, temporaries=temporaries, limit=limit),
        compile_seconds=time.monotonic() - start, refusal=reasons, **what,
    ), None
  seconds = time.monotonic() - start
  used = compiled.memory_analysis()
  # The new state takes the place of the old one, which is donated.
  temporaries = used.temp_size_in_bytes + max(
      used.output_size_in_bytes - used.alias_size_in_bytes, 0
  )
  memory = Memory(**sizes, temporaries=temporaries / GIB, limit=limit)
  cost = hlo_cost.analyze(
      compiled.as_text(), topology.chip,
      interconnect.make(topology, partitioner.mesh),
  )
  return Plan(
      accepted=True, memory=memory, compile_seconds=seconds, cost=cost,
      **what,
  ), compiled


def shard_gib(tree: Any) -> float:
  """GiB of the leaves of a tree on each chip."""
  return math.fsum(
      math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
      for x in jax.tree.leaves(tree)
  ) / GIB


def read_refusal(message: str) -> tuple[float, tuple[str, ...]]:
  """(GiB needed, what takes the most) from the compiler's RESOURCE_EXHAUSTED.

  Raises:
    UserError: it refuses for another reason, which is given.
  """
  if 'RESOURCE_EXHAUSTED' not in message:
    first = ' '.join(message.split())[:300]
    raise UserError(f'the TPU compiler refuses this program: {first}')
  gib = {'K': 2**-20, 'M': 2**-10, 'G': 1.0, 'T': 2.0**10}
  used = re.search(r'Used ([\d.]+)([KMGT]) of', message) or re.search(
      r'\(([\d.]+)([KMGT])\) exceeds', message
  )
  needed = float(used[1]) * gib[used[2]] if used else 0.0
  largest = []
  for part in re.split(r'\n\s*\d+\. Size: ', message)[1:]:
    size = part.split()[0]
    name = re.search(r'op_name="([^"]*)"', part)
    shape = re.search(r'Shape: (\S+)', part)
    largest.append(
        f'{size} {shape[1].split("{")[0] if shape else ""} '
        f'{name[1][-90:] if name else ""}'.strip()
    )
  return needed, tuple(largest[:8])

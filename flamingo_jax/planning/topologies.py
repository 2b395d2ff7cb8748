# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""TPU slices as compilers see them: devices that no machine here has.

libtpu compiles for any slice on any Linux machine and enforces the memory of
its chips. The numbers of a chip are those of Google's documentation of Cloud
TPU (docs.cloud.google.com/tpu/docs, pages v4, v5p, v5e and v6e).
"""

from collections.abc import Mapping, Sequence
import dataclasses
import importlib.util
import math
import os
import re
from typing import Any

import jax
from jax.experimental import topologies

from flamingo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Chip:
  """What a step's time and memory depend on."""

  # What the compiler lets a program use, read from its own refusals: the
  # nominal 32, 95, 16 and 32 GB less what the runtime keeps.
  hbm_gib: float
  peak_flops: float  # bf16, per second
  hbm_bandwidth: float  # bytes per second
  # One link, one direction: 'bidirectional ICI bandwidth per chip' of the
  # documentation / 2 / links, of which 90 % are reached in practice
  # (jax-ml.github.io/scaling-book, 'TPU networking').
  link_bandwidth: float
  # To other slices: 'data center network bandwidth' of the documentation, per
  # chip, in bytes per second. It gives none for v4, which is taken as v5p.
  dcn_bandwidth: float
  # Of the matrix units: peak = cores x units x size^2 x 2 x clock.
  clock: float
  # A dimension of the slice is a ring, not a line, from this size on.
  ring_from: int
  shapes: tuple[str, ...]  # slices people rent, for error messages
  options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


CHIPS: Mapping[str, Chip] = {
    # 2 cores x 4 units of 128; 600 GB/s of ICI over 6 links. 'megacore' is how
    # jobs see a v4: both cores of a chip as one device.
    'v4': Chip(
        30.75, 275e12, 1228e9, 45e9, 6.25e9, 1.05e9, 4,
        ('2x2x1', '4x4x4', '4x4x8', '8x8x8', '8x8x12', '8x12x16', '16x16x16'),
        {'chip_config_name': 'megacore'},
    ),
    # 2 cores x 4 units of 128; 1200 GB/s of ICI over 6 links, 50 Gbit/s to the
    # data centre.
    'v5p': Chip(
        95.74, 459e12, 2765e9, 90e9, 6.25e9, 1.75e9, 4,
        ('2x2x1', '4x4x4', '4x4x8', '8x8x8', '8x8x16', '8x12x16', '16x16x16'),
    ),
    # 1 core x 4 units of 128; 400 GB/s of ICI over 4 links; 6.4 Tbit/s
    # of 256 chips to the data centre.
    'v5e': Chip(
        15.75, 197e12, 819e9, 45e9, 3.125e9, 1.5e9, 16,
        ('2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16'),
    ),
    # 1 core x 4 units of 256 (by their peak); 800 GB/s of ICI over 4
    # links; 25.6 Tbit/s of 256 chips to the data centre.
    'v6e': Chip(
        31.25, 918e12, 1640e9, 90e9, 12.5e9, 1.75e9, 16,
        ('2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16'),
    ),
}

# libtpu asks the metadata server of a TPU machine and locks the TPU unless it
# is told, before it is loaded, that neither is there. The accelerator type has
# no influence on what is compiled.
_ENVIRONMENT = {
    'TPU_SKIP_MDS_QUERY': '1',
    'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_WORKER_ID': '0',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    # At the convolutions of NFNet-F6 on v6e the compiler overflows the stacks that
    # its threads have otherwise: the process dies of signal 11 after nine minutes.
    'LIBTPU_INIT_ARGS': '--fibers_default_thread_stack_size=1048576',
}


@dataclasses.dataclass(frozen=True)
class Topology:
  """A slice, or several alike: its chips and where each stands in the torus."""

  name: str  # as in 'v5e:4x4', or '2 x v5e:4x4' for two slices
  chip: Chip
  shape: tuple[int, ...]  # of a slice
  devices: Sequence[jax.Device]

  @property
  def chips(self) -> int:
    """Chips of all slices; each is one device."""
    return len(self.devices)


def parse(name: str) -> tuple[Chip, tuple[int, ...]]:
  """The chip and the shape that 'v5e:4x4' names.

  Raises:
    UserError: a name that is not known; says which are.
  """
  match = re.fullmatch(r'(\w+):(\d+(?:x\d+)+)', name)
  chip = CHIPS.get(match[1]) if match else None
  shape = tuple(map(int, match[2].split('x'))) if match else ()
  if chip is None or len(shape) != chip.shapes[0].count('x') + 1:
    known = '; '.join(
        f'{kind}:{", ".join(chip.shapes)}' for kind, chip in CHIPS.items()
    )
    raise UserError(
        f'unknown topology {name!r}: write CHIP:SHAPE, for example one of '
        f'{known}'
    )
  return chip, shape


def get_topology(name: str, slices: int = 1) -> Topology:
  """The slices of that name, to compile for, as in 'v5e:16x16'.

  Several are joined by the data-centre network.

  Raises:
    UserError: an unknown name, libtpu is missing or cannot be used.
  """
  chip, shape = parse(name)
  if slices < 1:
    raise UserError(f'{slices} slices of {name} are none: give 1 or more')
  if importlib.util.find_spec('libtpu') is None:
    raise UserError(
        'compiling for a TPU needs libtpu, which is not installed: '
        "pip install -e '.[tpu]' -c constraints.txt"
    )
  for variable, value in _ENVIRONMENT.items():
    os.environ.setdefault(variable, value)
  options = dict(chip.options)
  if slices > 1:
    options['num_slices'] = slices
  if math.prod(shape) < 4:
    options['chips_per_host_bounds'] = (*shape, 1, 1)[:3]
  try:
    described = topologies.get_topology_desc(
        platform='tpu', topology_name=name, **options
    )
  except Exception as error:
    first = ' '.join(str(error).split())[:200]
    raise UserError(
        f'libtpu gives no topology {name!r} ({first}): take a multiple of '
        f'{chip.shapes[0]} in each dimension'
    ) from error
  whole = name if slices == 1 else f'{slices} x {name}'
  return Topology(whole, chip, shape, described.devices)

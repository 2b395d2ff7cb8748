# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a compiled program costs: FLOPs, bytes and time, loops counted.

XLA's own `cost_analysis` counts the body of a loop once and knows no
interconnect; this counts what runs. Time is a model of the chip:

  matrix products   XLA's estimate of their cycles (88-93 % of the peak for
                    large ones), or FLOPs / peak where it gives none;
  all else          the smaller of XLA's estimate, which is three times too
                    careful for elementwise work, and bytes / 85 % of the HBM
                    bandwidth;
  collectives       bytes on the wire / bandwidth of the links they can use.

Between slices data goes through the hosts and the data-centre network: the
compiler reduces over a slice first and makes of the rest a `send` and a `recv`.
"""

import dataclasses
import math
import re

from flamingo_jax.planning import hlo, interconnect
from flamingo_jax.planning.model_flops import taps_inside
from flamingo_jax.planning.topologies import Chip

_HBM_EFFICIENCY = 0.85
# No bytes are moved by these.
_FREE = frozenset((
    'parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast', 'while',
    'after-all', 'partition-id', 'replica-id', 'iota', 'opt-barrier',
))


@dataclasses.dataclass(frozen=True)
class Collective:
  """All executions of one collective of the program, on each chip."""

  kind: str
  axes: str  # of the mesh, as in 'replica+fsdp'
  sent: float  # bytes
  times: int
  seconds: float


@dataclasses.dataclass(frozen=True)
class Cost:
  """Of one execution of the program, per chip."""

  flops: float  # of matrix products and convolutions
  bytes: float  # to and from HBM
  matmul_seconds: float
  other_seconds: float
  collectives: tuple[Collective, ...]

  @property
  def compute_seconds(self) -> float:
    """Time without any communication."""
    return self.matmul_seconds + self.other_seconds

  @property
  def communication_seconds(self) -> float:
    """Time of all collectives, one after the other."""
    return math.fsum(c.seconds for c in self.collectives)

  def sent(self) -> dict[str, float]:
    """Bytes that each chip sends, by 'axes kind'."""
    total: dict[str, float] = {}
    for c in self.collectives:
      key = f'{c.axes} {c.kind}'
      total[key] = total.get(key, 0.0) + c.sent
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def analyze(
    text: str, chip: Chip, links: interconnect.Interconnect
) -> Cost:
  """The cost of `compiled.as_text()`, with links between its partitions."""
  program = hlo.parse(text)
  flops = moved = matmul_seconds = other_seconds = 0.0
  collectives: dict[str, Collective] = {}
  for computation, instruction, times in program.executed():
    _add_collectives(
        program, computation, instruction, times, links, collectives
    )
    own_flops = _flops(program, computation, instruction)
    own_bytes = _bytes(program, computation, instruction)
    flops += times * own_flops
    moved += times * own_bytes
    cycles = instruction.cycles
    if own_flops:
      seconds = max((cycles or 0) / chip.clock, own_flops / chip.peak_flops)
      matmul_seconds += times * seconds
    elif _is_synchronous(program, instruction):
      seconds = own_bytes / (_HBM_EFFICIENCY * chip.hbm_bandwidth)
      if cycles is not None:
        seconds = min(seconds, cycles / chip.clock)
      other_seconds += times * seconds
  return Cost(
      flops, moved, matmul_seconds, other_seconds, tuple(collectives.values())
  )


def _is_synchronous(
    program: hlo.Program, instruction: hlo.Instruction
) -> bool:
  """Whether the core itself is busy with it: no prefetch and no collective."""
  if _base(instruction.opcode) in interconnect.KINDS or (
      instruction.opcode.endswith(('-start', '-done', 'send', 'recv'))
  ):
    return False
  return not any(
      _base(inner.opcode) in interconnect.KINDS
      for _, inner in program.inside(instruction)
  )


def _base(opcode: str) -> str:
  return re.sub('-(start|done)$', '', opcode)


def _flops(
    program: hlo.Program,
    computation: hlo.Computation,
    instruction: hlo.Instruction,
) -> float:
  """Of the products in an instruction, fused ones included."""
  total = _product_flops(computation, instruction)
  for inner_computation, inner in program.inside(instruction):
    total += _product_flops(inner_computation, inner)
  return total


def _product_flops(
    computation: hlo.Computation, instruction: hlo.Instruction
) -> float:
  """2 x multiplications of a dot or convolution; 0 for anything else."""
  if instruction.opcode not in ('dot', 'convolution'):
    return 0.0
  left, right = (
      computation[name].arrays[0].shape for name in instruction.operands[:2]
  )
  result = instruction.arrays[0].shape
  if instruction.opcode == 'dot':
    contracted = instruction.attribute(r'lhs_contracting_dims=\{([\d,]*)\}')
    sizes = [left[int(d)] for d in (contracted or '').split(',') if d]
    return 2.0 * math.prod(result) * math.prod(sizes)
  return _convolution_flops(instruction, left, right, result)


def _convolution_flops(
    instruction: hlo.Instruction,
    left: tuple[int, ...],
    right: tuple[int, ...],
    result: tuple[int, ...],
) -> float:
  """Products with padding and with the zeros of a dilation do not count."""
  labels = instruction.attribute(r'dim_labels=(\w+->\w+)')
  in_labels, kernel_labels, out_labels = re.split('_|->', labels)
  window = instruction.attribute(r'window=\{([^}]*)\}') or ''
  field = lambda name, default: (
      found[1].split('x')
      if (found := re.search(rf'\b{name}=([\w\-]+)', window)) else default
  )
  count = sum(label.isdigit() for label in kernel_labels)
  strides = field('stride', ['1'] * count)
  pads = field('pad', ['0_0'] * count)
  dilations = field('lhs_dilate', ['1'] * count)
  steps = field('rhs_dilate', ['1'] * count)
  total = 2.0 * right[kernel_labels.index('i')]
  total *= result[out_labels.index('b')] * result[out_labels.index('f')]
  for i in range(count):
    total *= taps_inside(
        left[in_labels.index(str(i))], right[kernel_labels.index(str(i))],
        result[out_labels.index(str(i))], int(strides[i]),
        int(pads[i].split('_')[0]), int(dilations[i]), int(steps[i]),
    )
  return total


def _bytes(
    program: hlo.Program,
    computation: hlo.Computation,
    instruction: hlo.Instruction,
) -> float:
  """HBM traffic: what is read of the operands, and the result."""
  if instruction.opcode in _FREE or instruction.opcode.endswith('-done'):
    return 0.0
  operands = [computation[n] for n in instruction.operands if n in computation]
  in_hbm = lambda i: math.fsum(a.bytes for a in i.arrays if not a.on_chip)
  if instruction.opcode == 'copy-start':  # (to, from, context)
    to = instruction.arrays[0]
    return in_hbm(operands[0]) + (0 if to.on_chip else to.bytes)
  if instruction.opcode == 'dynamic-slice':
    return in_hbm(instruction) + min(
        in_hbm(operands[0]), instruction.arrays[0].bytes
    )
  if instruction.opcode == 'dynamic-update-slice':
    return 2.0 * in_hbm(operands[1])
  if instruction.opcode != 'fusion':
    return in_hbm(instruction) + sum(map(in_hbm, operands))
  fused = program.computations[instruction.called[0]]
  reads = _read(program, fused)
  total = sum(
      min(in_hbm(operand), reads.get(i, 0.0))
      for i, operand in enumerate(operands)
  )
  return total + min(in_hbm(instruction), _written(fused, fused.root))


def _read(program: hlo.Program, fused: hlo.Computation) -> dict[int, float]:
  """Bytes that a fusion reads of each of its parameters.

  A parameter that is only sliced costs the slices: a scan's body gets the
  weights of all layers and reads those of one.
  """
  uses: dict[str, list[tuple[hlo.Instruction, int]]] = {}
  for instruction in fused.values():
    for place, name in enumerate(instruction.operands):
      uses.setdefault(name, []).append((instruction, place))

  def read(name: str) -> float:
    whole = sum(a.bytes for a in fused[name].arrays)
    total = whole if fused[name].is_root else 0.0
    for user, place in uses.get(name, ()):
      if user.opcode == 'bitcast':
        total += read(user.name)
      elif user.opcode == 'dynamic-slice' and place == 0:
        total += user.arrays[0].bytes
      elif user.opcode == 'dynamic-update-slice' and place == 0:
        pass  # written in place
      elif user.opcode == 'fusion':
        inner = program.computations[user.called[0]]
        total += _read(program, inner).get(place, 0.0)
      else:
        total += whole
    return min(total, whole)

  parameters = [i for i in fused.values() if i.opcode == 'parameter']
  number = lambda i: int(i.attributes.split(')')[0])
  return {number(i): read(i.name) for i in parameters}


def _written(fused: hlo.Computation, root: hlo.Instruction) -> float:
  """Bytes of a fusion's result that it writes: in place, only the update."""
  if root.opcode == 'tuple':
    return math.fsum(_written(fused, fused[name]) for name in root.operands)
  if root.opcode == 'bitcast' and root.operands[0] in fused:
    return _written(fused, fused[root.operands[0]])
  if root.opcode == 'dynamic-update-slice':
    return math.fsum(a.bytes for a in fused[root.operands[1]].arrays)
  return math.fsum(a.bytes for a in root.arrays)


def _add_collectives(
    program: hlo.Program,
    computation: hlo.Computation,
    instruction: hlo.Instruction,
    times: int,
    links: interconnect.Interconnect,
    found: dict[str, Collective],
) -> None:
  """Notes the collectives of an instruction, each under its channel.

  An asynchronous one is spread over several fusions (start, steps, done) of
  one channel: it runs as often as the most frequent of them.
  """
  is_scatter = any('all-reduce-scatter' in c for c in instruction.called)
  parts = [(computation, instruction), *program.inside(instruction)]
  for place, part in parts:
    if part.opcode == 'send':
      _add_between_slices(place, part, times, links, found)
    kind = _base(part.opcode)
    if kind not in interconnect.KINDS or part.opcode.endswith('-done'):
      continue
    if kind == 'all-reduce' and is_scatter:
      kind = 'reduce-scatter'  # the rest of the fusion keeps one's own part
    groups = hlo.replica_groups(part.attributes)
    group = interconnect.members(groups, links.mesh_axes)
    size = math.fsum(
        a.bytes for n in part.operands if n in place for a in place[n].arrays
    )
    sent = interconnect.wire_bytes(kind, size, len(group))
    channel = part.attribute(r'channel_id=(\d+)') or part.name
    if channel not in found or found[channel].times < times:
      if kind == 'collective-permute':
        seconds = links.permute_seconds(groups.tolist(), sent)
      else:
        seconds = links.seconds(group, sent)
      found[channel] = Collective(
          kind, links.axes(group), times * sent, times, times * seconds
      )


def _add_between_slices(
    computation: hlo.Computation,
    send: hlo.Instruction,
    times: int,
    links: interconnect.Interconnect,
    found: dict[str, Collective],
) -> None:
  """Notes what leaves the slice: each chip's share of a collective."""
  transfer = send.attribute(r'_xla_megascale_transfer_type="(\w+)"')
  if transfer is None:
    return
  kind = transfer.lower().replace('_', '-')
  if kind not in interconnect.KINDS:  # ONE_TO_ONE and the like
    kind = 'collective-permute'
  size = math.fsum(a.bytes for a in computation[send.operands[0]].arrays)
  sent = interconnect.wire_bytes(kind, size, links.slices)
  found[send.name] = Collective(
      kind, 'slices', times * sent, times, times * sent / links.dcn_bandwidth
  )

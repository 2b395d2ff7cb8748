# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the text of a compiled XLA program.

  program = hlo.parse(compiled.as_text())
  for instruction, times in program.executed(): ...

Everything here is what XLA prints; nothing knows chips or models.
"""

from collections.abc import Iterator
import dataclasses
import functools
import math
import re

import numpy as np

_BYTES = {
    'pred': 1, 's4': 0.5, 'u4': 0.5, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2,
    's16': 2, 'u16': 2, 'f32': 4, 's32': 4, 'u32': 4, 'f64': 8, 's64': 8,
    'u64': 8, 'c64': 8,
}
_ARRAY = re.compile(r'\b([a-z]+\d+|pred)\[([\d,]*)\](\{[^}]*\})?')
_COMPUTATION = re.compile(r'^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{\s*$')
_INSTRUCTION = re.compile(
    r'^\s+(ROOT )?%?([\w.\-]+) = '
    r'((?:\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))|\S+) ([\w\-]+)\((.*)$'
)
_NAME = re.compile(r'%([\w.\-]+)')
_CALLED = re.compile(
    r'(?:calls|to_apply|called_computations)=\{?%?([\w.\-]+)'
)


@dataclasses.dataclass(frozen=True)
class Array:
  """One array of a type: f32[8,128]{1,0:T(8,128)S(1)}."""

  dtype: str
  shape: tuple[int, ...]
  on_chip: bool  # in a memory space of its own, S(n), not in HBM

  @property
  def bytes(self) -> float:
    """Its size without padding."""
    return float(math.prod(self.shape) * _BYTES.get(self.dtype, 4))


@functools.lru_cache(maxsize=4096)
def arrays(text: str) -> tuple[Array, ...]:
  """The arrays of a type, a tuple's in order."""
  return tuple(
      Array(
          dtype,
          tuple(int(n) for n in shape.split(',') if n),
          bool(re.search(r'S\([1-9]', layout)),
      )
      for dtype, shape, layout in _ARRAY.findall(text)
  )


@dataclasses.dataclass(frozen=True)
class Instruction:
  """A line of a computation."""

  name: str
  type: str
  opcode: str
  operands: tuple[str, ...]  # names
  attributes: str  # the rest of the line
  is_root: bool

  @property
  def arrays(self) -> tuple[Array, ...]:
    """What it results in."""
    return arrays(self.type)

  @property
  def called(self) -> tuple[str, ...]:
    """Computations that run as a part of it, while loops' excepted."""
    return tuple(_CALLED.findall(self.attributes))

  @property
  def cycles(self) -> int | None:
    """XLA's own estimate (TPU only), of one execution."""
    found = re.search(r'"estimated_cycles":"(\d+)"', self.attributes)
    # XLA prints numbers near 2^63 where it has no estimate.
    return int(found[1]) if found and int(found[1]) < 10**13 else None

  def attribute(self, pattern: str) -> str | None:
    """The first group of a regular expression in the attributes."""
    found = re.search(pattern, self.attributes)
    return found and found[1]


class Computation(dict):
  """{name: instruction}, in the order in which they are scheduled."""

  @property
  def root(self) -> Instruction:
    """The instruction whose result is the computation's."""
    return next(i for i in self.values() if i.is_root)


@dataclasses.dataclass(frozen=True)
class Program:
  """All computations of a compiled module."""

  computations: dict[str, Computation]
  entry: str

  def executed(self) -> Iterator[tuple[Computation, Instruction, int]]:
    """(computation, instruction, executions) of all that is scheduled.

    Bodies of loops come as often as they run, both branches of a conditional
    once; the inside of a fusion is not scheduled and does not come.
    """
    yield from self._executed(self.entry, 1)

  def _executed(self, name, times):
    computation = self.computations[name]
    for instruction in computation.values():
      if instruction.opcode == 'while':
        body = instruction.attribute(r'body=%?([\w.\-]+)')
        yield from self._executed(
            body, times * self.trip_count(computation, instruction)
        )
      elif instruction.opcode == 'conditional':
        branches = instruction.attribute(r'branch_computations=\{([^}]*)\}')
        for branch in _NAME.findall(branches or ''):
          yield from self._executed(branch, times)
      elif instruction.opcode == 'call':
        for called in instruction.called:
          yield from self._executed(called, times)
      else:
        yield computation, instruction, times

  def trip_count(self, place: Computation, loop: Instruction) -> int:
    """How often the body of a while loop in `place` runs.

    Said by XLA for CPUs. For TPUs it follows from the condition `counter <
    bound` and from what the body adds to the counter: 1 in a scan, 2 in a
    product that is cut in windows and sends them both ways around a ring.

    Raises:
      ValueError: a condition of another kind.
    """
    if known := loop.attribute(r'"known_trip_count":\{"n":"(\d+)"\}'):
      return int(known)
    condition = self.computations[loop.attribute(r'condition=%?([\w.\-]+)')]
    test = condition.root
    inner = test
    if test.opcode == 'fusion':
      inner = self.computations[test.called[0]].root
    if inner.opcode != 'compare' or 'direction=LT' not in inner.attributes:
      raise ValueError(f'no trip count for {loop.name}: {inner}')
    bound, counter = None, None
    for name in test.operands:
      bound = bound or _constant(condition, name)
      counter = counter or condition[name].attribute(r'index=(\d+)')
    if bound is None:
      raise ValueError(f'no trip count for {loop.name}: {test}')
    if counter is None:
      return bound
    body = self.computations[loop.attribute(r'body=%?([\w.\-]+)')]
    step = self._step(body, body.root.operands[int(counter)])
    start = _start(place, loop.operands[0], int(counter))
    return -(-(bound - start) // step)

  def _step(self, body: Computation, name: str) -> int:
    """What is added to a counter, whether fused or not."""
    instruction = body[name]
    if instruction.opcode == 'add':
      found = [_constant(body, operand) for operand in instruction.operands]
    else:
      found = [
          _constant(place, operand)
          for place, inner in self.inside(instruction)
          if inner.opcode == 'add' for operand in inner.operands
      ]
    return next((n for n in found if n), 1)

  def inside(
      self, instruction: Instruction
  ) -> Iterator[tuple[Computation, Instruction]]:
    """What a fusion or an asynchronous wrapper is made of, to any depth."""
    for name in instruction.called:
      computation = self.computations.get(name, {})
      for inner in computation.values():
        yield computation, inner
        yield from self.inside(inner)


def _constant(place: Computation, name: str) -> int | None:
  """The integer that a name stands for, through copies; None if it is none."""
  instruction = place.get(name)
  while instruction and instruction.opcode in ('copy', 'bitcast'):
    instruction = place.get(instruction.operands[0])
  if not instruction or instruction.opcode != 'constant':
    return None
  value = re.match(r'-?\d+', instruction.attributes)
  return int(value[0]) if value else None


def _start(place: Computation, state: str, index: int) -> int:
  """What a counter begins with: 0 where that is not written down."""
  instruction = place.get(state)
  if not instruction or instruction.opcode != 'tuple':
    return 0
  return _constant(place, instruction.operands[index]) or 0


def parse(text: str) -> Program:
  """Reads `compiled.as_text()`.

  Raises:
    ValueError: text without an entry computation.
  """
  computations: dict[str, Computation] = {}
  entry, current = None, None
  for line in text.splitlines():
    if head := _COMPUTATION.match(line):
      current = computations.setdefault(head[2], Computation())
      entry = head[2] if head[1] else entry
    elif line.startswith('}'):
      current = None
    elif current is not None and (found := _INSTRUCTION.match(line)):
      root, name, kind, opcode, rest = found.groups()
      arguments = re.sub(r'/\*.*?\*/', '', rest[: _closing(rest)])
      current[name] = Instruction(
          name, kind, opcode, tuple(_NAME.findall(arguments)), rest, bool(root)
      )
  if entry is None:
    raise ValueError('this is not the text of a compiled program')
  return Program(computations, entry)


def _closing(rest: str) -> int:
  """Where the parenthesis that was opened before `rest` closes."""
  depth = 1
  for place, letter in enumerate(rest):
    depth += {'(': 1, ')': -1}.get(letter, 0)
    if depth == 0:
      return place
  return len(rest)


def replica_groups(attributes: str) -> np.ndarray | None:
  """Who talks to whom in a collective: [groups, devices of each].

  XLA writes it in three ways:
    {{0,1},{2,3}}                         the groups themselves
    [2,2]<=[2,2]T(1,0)                    arange, transposed, reshaped
    mesh['a'=2,'b'=2] {'b'}               over axes of a mesh, which may have
    mesh[...], device_ids=([4]) {'b'}     an order of devices of its own
  A permutation has pairs in the place of groups. None: all devices.
  """
  if found := re.search(
      r'(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]*\})\}', attributes
  ):
    rows = re.findall(r'\{([\d,]+)\}', found[1])
    return np.array([[int(n) for n in row.split(',')] for row in rows])
  if found := re.search(
      r'replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?', attributes
  ):
    return _iota(found[2], found[3]).reshape(_numbers(found[1]))
  found = re.search(
      r'replica_groups=mesh\[([^\]]*)\]'
      r'(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{([^}]*)\}',
      attributes,
  )
  if not found:
    return None
  axes = dict(re.findall(r"'(\w+)'=(\d+)", found[1]))
  sizes = [int(size) for size in axes.values()]
  order = found[2] or str(math.prod(sizes))
  devices = _iota(order, found[3]).reshape(sizes)
  names = list(axes)
  within = [names.index(name) for name in re.findall(r"'(\w+)'", found[4])]
  others = [i for i in range(len(names)) if i not in within]
  size = math.prod(sizes[i] for i in within)
  return devices.transpose(others + within).reshape(-1, size)


def _iota(shape: str, permutation: str | None) -> np.ndarray:
  sizes = _numbers(shape)
  devices = np.arange(math.prod(sizes)).reshape(sizes)
  return devices.transpose(_numbers(permutation)) if permutation else devices


def _numbers(text: str) -> list[int]:
  return [int(n) for n in text.split(',')]

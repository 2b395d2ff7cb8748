# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rules read backwards: the tensors that parameters were made of.

No source says how. Nearly all rules move values and compute nothing, so of
tensors that hold their values' numbers they make where each value went.
"""

from collections.abc import Callable, Sequence
import dataclasses
import functools
import math

import numpy as np

from flamingo_jax.convert.rules import Rule

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Moves:
  """Where the values of targets come from."""

  # For each target: numbers of values of all tensors, from 1; 0: made of none.
  numbers: tuple[np.ndarray, ...]
  is_whole: bool  # whether every value of the tensors went somewhere


def undo(
    rule: Rule, values: Sequence[np.ndarray], shapes: Sequence[Shape]
) -> list[np.ndarray] | None:
  """The tensors of a rule.

  Args:
    rule: what made the values.
    values: of each target, in its place.
    shapes: of each tensor.

  Returns:
    An array for each tensor; None where the values are none that the rule makes,
    or do not tell all of the tensors.
  """
  if rule.layout == 'same':
    return [values[0].reshape(shapes[0])]
  if rule.layout == 'transposed':
    return [values[0].reshape(-1, values[0].shape[-1]).T.reshape(shapes[0])]
  if rule.back is not None:
    found = rule.back(*values)
    return [x.reshape(shape) for x, shape in zip(found, shapes, strict=True)]
  moves = _moves(rule.make, tuple(map(tuple, shapes)))
  if moves is None or not moves.is_whole:
    return None
  sizes = [math.prod(shape) for shape in shapes]
  flat = np.empty(1 + sum(sizes), np.result_type(*values))
  for numbers, of_target in zip(moves.numbers, values, strict=True):
    flat[0] = 0
    if np.any(of_target[numbers == 0]):
      return None  # what the rule sets to 0 has been trained since
    flat[numbers] = of_target
  parts = np.split(flat[1:], np.cumsum(sizes)[:-1])
  return [x.reshape(shape) for x, shape in zip(parts, shapes)]


def is_exact(rule: Rule, shapes: Sequence[Shape]) -> bool:
  """Whether all bits of tensors come back, if no parameter is rounded."""
  if rule.layout is not None:
    return True
  moves = _moves(rule.make, tuple(map(tuple, shapes)))
  return moves is not None and moves.is_whole


def lost(
    rule: Rule, tensors: Sequence[np.ndarray], stored: Sequence[np.ndarray]
) -> list[str]:
  """Names of the tensors whose bits do not come back of what is stored."""
  found = undo(rule, stored, [x.shape for x in tensors])
  if found is None:
    return list(rule.sources)
  return [
      name for name, x, again in zip(rule.sources, tensors, found)
      if not same_bits(x, again.astype(x.dtype))
  ]


def same_bits(x: np.ndarray, y: np.ndarray) -> bool:
  """Whether arrays of one dtype are the same, NaN and signs of 0 included."""
  bits = f'u{x.dtype.itemsize}'
  plain = lambda array: np.ascontiguousarray(array).view(bits)
  return np.array_equal(plain(x), plain(y))


@functools.lru_cache(maxsize=4)  # one for each kind of a layer's rules
def _moves(
    make: Callable[..., Sequence[np.ndarray]], shapes: tuple[Shape, ...]
) -> _Moves | None:
  """What a rule moves; None: it computes, so that values are others."""
  ends = np.cumsum([math.prod(shape) for shape in shapes])
  count = int(ends[-1])
  kind = np.int32 if count < 2**31 - 1 else np.int64

  def made(numbers: np.ndarray) -> list[np.ndarray]:
    parts = np.split(numbers, ends[:-1])
    return [np.asarray(x) for x in make(
        *(part.reshape(shape) for part, shape in zip(parts, shapes))
    )]

  forwards = np.arange(1, count + 1, dtype=kind)
  found = made(forwards)
  # Of other numbers the same has to come of the same: no sum does that.
  others = made(forwards[::-1])
  seen, moved = np.zeros(count + 1, bool), []
  for x, y in zip(found, others, strict=True):
    numbers = x.astype(kind)
    if (not np.array_equal(numbers, x) or numbers.min(initial=0) < 0
        or numbers.max(initial=0) > count
        or not np.array_equal(y, np.where(x, count + 1 - x, 0))):
      return None
    seen[numbers] = True
    moved.append(numbers)
  return _Moves(tuple(moved), bool(seen[1:].all()))

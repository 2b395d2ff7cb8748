# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What users give as options: numbers, seeds, texts."""

import math
import numbers
import sys
from typing import Any

from flamingo_jax.errors import UserError, shown

AnyNumber = Any  # what a caller gives; the functions here say what is wrong
LARGEST_SEED = 2**31 - 1  # TensorFlow's; JAX drops what is beyond 32 bits


def whole_number(
    name: str, value: AnyNumber, least: int, most: int | None = None,
    meaning: str = '',
) -> int:
  """The value as an int; scalars of NumPy and JAX are numbers too, no bool is.

  Args:
    name: of the option.
    value: what the user gave.
    least: that it may be.
    most: that it may be; None: any.
    meaning: of the option, for the message.

  Raises:
    UserError: it is no such number.
  """
  value = _scalar(value)
  is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
  if is_whole and least <= value and (most is None or value <= most):
    return int(value)
  bounds = f'from {least}' + ('' if most is None else f' to {most}')
  raise UserError(
      f'{name} is {shown(value)} and must be a whole number {bounds}'
      + (meaning and f': {meaning}')
  )


def real_number(
    name: str, value: AnyNumber, least: int, most: int | float = math.inf,
    meaning: str = '', above: bool = False,
) -> float:
  """The value as a float, finite.

  Args:
    name: as of `whole_number`.
    value: likewise.
    least: likewise.
    most: likewise.
    meaning: likewise.
    above: whether it must be above `least`.

  Raises:
    UserError: it is no such number.
  """
  value = _scalar(value)
  is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
  # Whole numbers may be larger than any of these.
  if is_real and abs(value) <= sys.float_info.max and not (
      value < least or value > most or (above and value == least)
  ):
    return float(value)
  bounds = f'above {least}' if above else f'from {least}'
  if most < math.inf:
    bounds += f' to {most:g}'
  raise UserError(
      f'{name} is {shown(value)} and must be a number {bounds}'
      + (meaning and f': {meaning}')
  )


def seed(value: AnyNumber, name: str = 'seed') -> int:
  """A seed of random numbers as an int.

  Raises:
    UserError: it is none that makes draws of its own.
  """
  return whole_number(name, value, 0, LARGEST_SEED)


def text(name: str, value: Any) -> str:
  """The value, which is a text.

  Raises:
    UserError: it is none.
  """
  if isinstance(value, str):
    return str(value)  # of NumPy's, too
  raise UserError(f'{name} is {shown(value)} and must be a text')


def truth(name: str, value: Any) -> bool:
  """The value, which is True or False.

  Raises:
    UserError: it is neither.
  """
  if isinstance(_scalar(value), bool):  # of NumPy's, too
    return bool(value)
  raise UserError(f'{name} is {shown(value)} and must be True or False')


def _scalar(value: AnyNumber) -> AnyNumber:
  """The number in an array that has no axes."""
  is_scalar = hasattr(value, 'item') and not getattr(value, 'shape', None)
  return value.item() if is_scalar else value

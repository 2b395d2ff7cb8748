# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept: a number that is measured, and its bounds."""

from collections.abc import Callable
import dataclasses
import functools
import math
import re
from typing import Any

from flamingo_jax import own_code
from flamingo_jax.errors import UserError
from flamingo_jax.prepare.source import Dropped

_MOST = math.inf


@dataclasses.dataclass(frozen=True)
class Threshold:
  """What is kept: low <= measure <= high."""

  name: str  # what is counted when it is not
  measure: Callable[[Any], float]  # of a text, or of an image
  low: float | int = 0  # the least
  high: float | int = _MOST  # the most
  english: bool = False  # whether it makes sense for English alone

  def check(self, value: Any) -> None:
    """Raises Dropped if the value is outside."""
    found = self.measure(value)
    if not self.low <= found <= self.high:
      raise Dropped(self.name, f'{found:.3g}')


@functools.cache
def scorer(text: str) -> Threshold:
  """A scorer of your own: 'my.module:function>=0.8' or '<='.

  The function takes the text of a page, or an RGB picture (`PIL.Image.Image`) of
  the size that is stored, and returns a number: the probability of a language, a
  perplexity, how safe it is.

  Raises:
    UserError: there is no such function.
  """
  match = re.fullmatch(r'([\w.]+):(\w+)(>=|<=)([-+.\deE]+)', text.strip())
  try:
    module, name, sign, bound = match.groups()
    function = getattr(own_code.import_module(module), name)
    bound = float(bound)
  except (AttributeError, ImportError, ValueError) as error:
    raise UserError(
        f'the scorer {text!r} is not understood ({error}); write '
        'MODULE:FUNCTION>=NUMBER or <=, with a module that Python finds'
    ) from None
  low, high = (bound, _MOST) if sign == '>=' else (-_MOST, bound)
  return Threshold(f'scorer {module}:{name}', function, low, high)

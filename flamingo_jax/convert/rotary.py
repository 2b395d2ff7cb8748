# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How the rotary positions of Llama's kin turn."""

from collections.abc import Sequence
import dataclasses
import math
from typing import Any

import numpy as np

from flamingo_jax.convert.hub_folder import Attributes
from flamingo_jax.errors import UserError
from flamingo_jax.typing import Float

# 'dynamic' changes angles behind the context alone, where no text of ours is.
_PLAIN = ('default', 'dynamic')
_KNOWN = (*_PLAIN, 'linear', 'llama3', 'longrope', 'yarn')
# Families with other positions in layers that see a window, where these are
# plain, and what `rope_theta` is there by default.
_NEAR_THETAS = {'gemma3_text': 10_000.0, 'olmo3': 500_000.0}


@dataclasses.dataclass(frozen=True)
class _Slowed:
  """How much slower than plain ones pairs turn."""

  factor: float = 1.0  # all
  llama3: tuple[float, ...] = ()
  divisors: tuple[float, ...] = ()  # each
  scale: float = 1.0
  context: int | None = None  # up to which that holds; None: that of the model


def read(
    kind: str, config: Attributes, is_near: Sequence[bool],
    turned: Sequence[bool], context: int, head_size: int,
) -> tuple[dict[str, Any], int]:
  """Fields of LayerConfig, and up to how many positions they hold.

  Args:
    kind: the family.
    config: of the whole model.
    is_near: of each layer, whether it sees a window.
    turned: of each layer, whether it has positions.
    context: positions of the model.
    head_size: of its heads.

  Raises:
    UserError: it has what is not known here.
  """
  scaling = config.part_if_any('rope_scaling')  # of old files, and goes before
  told = config.part_if_any('rope_parameters')
  theta = config.number('rope_theta', 10_000.0)
  share = 1.0
  if kind == 'phi3':
    share = config.number('partial_rotary_factor', share)
  before = config.count_if_any('original_max_position_embeddings', least=2)
  empty = Attributes({}, config.path)
  parts, of_layers = [(scaling or told or empty, theta)], [0] * len(turned)
  if kind in _NEAR_THETAS:
    near = _NEAR_THETAS[kind]
    if kind == 'gemma3_text':
      near = config.number('rope_local_base_freq', near)
    told = told or empty
    whole, local = (told.part_if_any(name) or empty for name in (
        'full_attention', 'sliding_attention'
    ))
    told.finish()
    parts = [(scaling or whole, theta), (local, near)]
    of_layers = [int(x) for x in is_near]
  elif not all(turned):  # as layers whose slowest pair does not turn
    parts.append((empty, 0.0))
    of_layers = [int(not x) for x in turned]
  thetas, slowed = [], []
  for rope, theta in parts:
    name = _name(kind, rope)
    thetas.append(rope.number('rope_theta', theta) if theta else theta)
    if kind == 'phi3':
      share = rope.number('partial_rotary_factor', share)
    rope.expect('partial_rotary_factor', 1.0, None)
    slowed.append(_slowed(
        name, rope, thetas[-1], int(head_size * share), before, context
    ))
    rope.finish()
  first = slowed[0]  # what others have not is of it alone
  return {
      'rotary_thetas': tuple(thetas),
      'rotary_factors': tuple(x.factor for x in slowed),
      'rotary_share': share, 'rotary_llama3': first.llama3,
      'rotary_divisors': first.divisors, 'rotary_scale': first.scale,
      'rotary_kinds': of_layers,
  }, min(context, first.context or context)


def _name(kind: str, rope: Attributes) -> str:
  """How it is slowed, one of those known of the family; else UserError."""
  name = rope.take_if_any('rope_type')
  name = rope.take('type', 'default') if name is None else name
  rope.ignore('type')
  known = _KNOWN
  if kind == 'phi3':  # whose files had other names for it
    known = ('default', 'longrope')
    name = 'longrope' if name in ('su', 'yarn') else name
  if kind in _NEAR_THETAS:
    known = (*_PLAIN, 'linear', *(('yarn',) if kind == 'olmo3' else ()))
    # transformers does not look at YaRN's in such files.
    rope.expect('truncate', True, None)
  if name not in known:
    raise UserError(
        f'{rope.path}: rope_type is {name!r}, and known are '
        f'{", ".join(known[:-1])} and {known[-1]}; the model would compute '
        'something else'
    )
  return name


def _slowed(
    name: str, rope: Attributes, theta: float, size: int, before: int | None,
    context: int,
) -> _Slowed:
  """What a file says of a way to slow pairs down.

  Args:
    name: of the way.
    rope: what it says of it.
    theta: the wave length of the slowest pair.
    size: of a head's pairs, both halves.
    before: the context before the model was made to read more, as the file
      says elsewhere; None: it does not.
    context: positions of the model.
  """
  if name == 'default':
    rope.ignore('factor')
    return _Slowed()
  if name in ('dynamic', 'linear'):
    factor = rope.number('factor', 1.0)
    return _Slowed(factor if name == 'linear' else 1.0)
  said = rope.count('original_max_position_embeddings', context, least=2)
  before = said if before is None else before
  if name == 'llama3':
    factor = rope.number('factor', 1.0)
    low, high = rope.number('low_freq_factor'), rope.number('high_freq_factor')
    if not low < high:
      raise UserError(f'{rope.path}: low_freq_factor is {low} and has to be below '
                      f'high_freq_factor, {high}')
    return _Slowed(llama3=(factor, low, high, float(before)))
  scale = rope.number_if_any('attention_factor')
  if name == 'longrope':
    return _longrope(rope, size // 2, before, context, scale)
  if theta <= 1:
    raise UserError(f'{rope.path}: rope_theta is {theta:g}, and YaRN needs one '
                    'above 1')
  factor = rope.number('factor')
  ways = rope.number_if_any('mscale'), rope.number_if_any('mscale_all_dim')
  if scale is None:
    one, other = ways if all(ways) else (1.0, 0.0)
    scale = _yarn_scale(factor, one) / _yarn_scale(factor, other)
  divisors = _yarn(
      factor, rope.number('beta_fast', 32.0), rope.number('beta_slow', 1.0),
      rope.flag('truncate', True), theta, size, before,
  )
  return _Slowed(divisors=tuple(divisors.tolist()), scale=scale)


def _longrope(
    rope: Attributes, pairs: int, before: int, context: int,
    scale: float | None,
) -> _Slowed:
  """LongRoPE (Ding et al. 2024), of texts as long as those of before.

  In longer ones all pairs, also those of the first tokens, turn otherwise.
  """
  factor = rope.number_if_any('factor') or context / before
  if scale is None:
    scale = 1.0
    if factor > 1:
      scale = math.sqrt(1 + math.log(factor) / math.log(before))
  divisors = rope.numbers('short_factor', pairs)
  rope.ignore('long_factor')
  return _Slowed(divisors=divisors, scale=scale, context=before)


def _yarn_scale(factor: float, slope: float) -> float:
  return 1.0 if factor <= 1 else 0.1 * slope * math.log(factor) + 1.0


def _yarn(
    factor: float, fast: float, slow: float, truncates: bool, theta: float,
    size: int, before: int,
) -> Float[np.ndarray, '_']:
  """How much slower YaRN (Peng et al. 2023, 3.2) makes each pair.

  Not at all where it turns `fast` times or more in the context of before,
  `factor` times where it turns `slow` times or less.
  """
  low, high = (
      size * math.log(before / (turns * 2 * math.pi)) / (2 * math.log(theta))
      for turns in (fast, slow)
  )
  if truncates:
    low, high = math.floor(low), math.ceil(high)
  low, high = max(low, 0), min(high, size - 1)
  high = high + 1e-3 if low == high else high
  share = np.clip((np.arange(size // 2) - low) / (high - low), 0, 1)
  return 1 / (share / factor + 1 - share)

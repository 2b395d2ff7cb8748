# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What differs from layer to layer of Llama's kin: windows and positions."""

from typing import Any

from flamingo_jax.convert.hub_folder import Attributes
from flamingo_jax.errors import UserError

_NEAR, _ALL = 'sliding_attention', 'full_attention'
# Families that know windows, and those whose windows have a switch.
_WINDOWED = ('mistral', 'phi3', 'gemma2', 'gemma3_text')
_SWITCHED = ('qwen2', 'qwen3', 'smollm3')


def read(
    kind: str, config: Attributes, layers: int, context: int
) -> dict[str, Any]:
  """Fields of LayerConfig, of files of old and new versions.

  Raises:
    UserError: it has what is not known here.
  """
  turned = [True] * layers  # which layers have positions
  if kind == 'smollm3':
    every = config.count('no_rope_layer_interval', 4)
    told = config.list_if_any('no_rope_layers', layers)
    turned = [bool((i + 1) % every) for i in range(layers)]
    turned = turned if told is None else [bool(x) for x in told]
  kinds, window = [_ALL] * layers, 0
  if kind in _WINDOWED + _SWITCHED:
    window = config.count_if_any('sliding_window') or 0
    kinds = _kinds(kind, config, turned)
  if kind in _SWITCHED and not config.flag('use_sliding_window'):
    window = 0
  config.expect('use_sliding_window', False, None)
  window = 0 if window >= context else window
  return _rotary(kind, config, kinds, turned, context) | {
      'windows': _shortest([window * (kind == _NEAR) for kind in kinds])
  }


def _kinds(kind: str, config: Attributes, turned: list[bool]) -> list[str]:
  """Of each layer, whether it sees a window or all, if there is a window."""
  layers = len(turned)
  kinds = None
  if kind not in ('mistral', 'phi3'):  # whose layers are all alike
    kinds = config.list_if_any('layer_types', layers)
  first = config.count_if_any('max_window_layers', least=0) or 0
  every = config.count_if_any('sliding_window_pattern') or 6
  if kinds is None:
    is_near = {
        'qwen2': lambda i: i >= first, 'qwen3': lambda i: i >= first,
        'smollm3': lambda i: not turned[i],
        'gemma2': lambda i: (i + 1) % 2, 'gemma3_text': lambda i: (i + 1) % every,
    }.get(kind, lambda i: True)
    return [_NEAR if is_near(i) else _ALL for i in range(layers)]
  unknown = [x for x in kinds if x not in (_NEAR, _ALL)]
  if unknown:
    raise UserError(
        f'{config.path}: layer_types has {unknown[0]!r}, and known are {_ALL} '
        f'and {_NEAR}'
    )
  return kinds


def _rotary(
    kind: str, config: Attributes, kinds: list[str], turned: list[bool],
    context: int,
) -> dict[str, Any]:
  scaling = config.part_if_any('rope_scaling')  # of old files, and goes before
  told = config.part_if_any('rope_parameters')
  theta = config.number('rope_theta', 10_000.0)
  share = 1.0
  if kind == 'phi3':
    share = config.number('partial_rotary_factor', share)
  original = config.count_if_any('original_max_position_embeddings')
  empty = Attributes({}, config.path)
  parts, of_layers = [(scaling or told or empty, theta)], [0] * len(kinds)
  if kind == 'gemma3_text':
    near = config.number('rope_local_base_freq', 10_000.0)
    told = told or empty
    whole, local = (told.part_if_any(name) or empty for name in (_ALL, _NEAR))
    told.finish()
    parts = [(scaling or whole, theta), (local, near)]
    of_layers = [int(kind == _NEAR) for kind in kinds]
  elif not all(turned):  # as layers whose slowest pair does not turn
    parts.append((empty, 0.0))
    of_layers = [int(not x) for x in turned]
  thetas, factors, llama3 = [], [], ()
  for of, theta in parts:
    rope = of.take_if_any('rope_type')
    rope = of.take('type', 'default') if rope is None else rope
    of.ignore('type')
    thetas.append(of.number('rope_theta', theta) if theta else theta)
    if kind == 'phi3':
      share = of.number('partial_rotary_factor', share)
    of.expect('partial_rotary_factor', 1.0, None)
    factor = of.number('factor', 1.0)
    factors.append(factor if rope == 'linear' else 1.0)
    if rope == 'llama3':
      before = of.count('original_max_position_embeddings', context)
      low, high = of.number('low_freq_factor'), of.number('high_freq_factor')
      if not low < high:
        raise UserError(f'{of.path}: low_freq_factor is {low} and has to be below '
                        f'high_freq_factor, {high}')
      llama3 = factor, low, high, float(original or before)
    elif rope not in ('default', 'linear'):
      raise UserError(
          f'{of.path}: rope_type is {rope!r}, and known are default, linear and '
          'llama3; the model would compute something else'
      )
    of.finish()
  return {
      'rotary_thetas': tuple(thetas), 'rotary_factors': tuple(factors),
      'rotary_share': share, 'rotary_llama3': llama3,
      'rotary_kinds': _shortest(of_layers),
  }


def _shortest(values: list[int]) -> tuple[int, ...]:
  """The shortest beginning that gives the list when it is repeated."""
  for size in range(1, len(values) + 1):
    if all(values[i] == values[i % size] for i in range(len(values))):
      return tuple(values[:size])
  return tuple(values)

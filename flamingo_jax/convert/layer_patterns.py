# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What differs from layer to layer of Llama's kin: windows and positions."""

from typing import Any

from flamingo_jax.convert import rotary
from flamingo_jax.convert.hub_folder import Attributes
from flamingo_jax.errors import UserError

_NEAR, _ALL = 'sliding_attention', 'full_attention'
# Families that know windows, and those whose windows have a switch.
_WINDOWED = ('mistral', 'phi3', 'olmo3', 'gemma2', 'gemma3_text')
_SWITCHED = ('qwen2', 'qwen3', 'smollm3')


def read(
    kind: str, config: Attributes, layers: int, context: int, head_size: int
) -> tuple[dict[str, Any], int]:
  """Fields of LayerConfig, of files of old and new versions, and the context.

  That is shorter than what the file says where positions behind it are turned
  otherwise.

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
  positions, context = rotary.read(
      kind, config, [x == _NEAR for x in kinds], turned, context, head_size
  )
  window = 0 if window >= context else window
  return positions | {
      'rotary_kinds': _shortest(positions['rotary_kinds']),
      'windows': _shortest([window * (kind == _NEAR) for kind in kinds]),
  }, context


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
        'smollm3': lambda i: not turned[i], 'olmo3': lambda i: (i + 1) % 4,
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


def _shortest(values: list[int]) -> tuple[int, ...]:
  """The shortest beginning that gives the list when it is repeated."""
  for size in range(1, len(values) + 1):
    if all(values[i] == values[i % size] for i in range(len(values))):
      return tuple(values[:size])
  return tuple(values)

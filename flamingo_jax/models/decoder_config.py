# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shape of a decoder: its layers, and where gated blocks stand."""

import dataclasses

from flamingo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """Shape of the language model and of the blocks between its layers."""

  vocab: int  # entries of the frozen table; <EOC> is added behind them
  layers: int
  width: int
  heads: int
  xattn_every: int
  head_size: int = 128
  context: int = 2048  # positions the language model was trained for
  remat: str = 'none'  # a key of layer_stack.REMAT_POLICIES
  # Groups per turn of the loop over them. Small models gain a fifth on a CPU by
  # having no loop; large ones would take that many times as long to compile.
  unroll: int = 1
  first: int = 0  # layers before the first gated block

  def __post_init__(self):
    if not 0 <= self.first < self.layers:
      raise UserError(
          f'decoder.first is {self.first}: of {self.layers} layers, 0 to '
          f'{self.layers - 1} can stand before the first gated block'
      )

  @property
  def groups(self) -> int:
    """Full groups of one gated block and `xattn_every` layers."""
    return (self.layers - self.first) // self.xattn_every

  @property
  def tail_layers(self) -> int:
    """Layers of the shorter last group; 0 where there is none."""
    return (self.layers - self.first) % self.xattn_every

  @property
  def stacks(self) -> dict[str, tuple[int, ...]]:
    """The decoder's stacks of layers, from below, and their shapes."""
    shapes = {
        'head': (self.first,),
        'groups': (self.groups, self.xattn_every),
        'tail': (self.tail_layers,),
    }
    return {name: shape for name, shape in shapes.items() if shape != (0,)}

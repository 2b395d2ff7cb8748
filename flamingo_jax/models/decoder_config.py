# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shape of a decoder: its layers, and where gated blocks stand."""

import dataclasses
import math

import numpy as np

from flamingo_jax.errors import UserError
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.layers import check_activation, check_norm
from flamingo_jax.typing import Int


@dataclasses.dataclass(frozen=True)
class BlockConfig:
  """A gated block; the defaults are those of the paper's Flamingos."""

  heads: int = 0  # 0: the language model's
  head_size: int = 0  # 0: the language model's
  kv_heads: int = 0  # of keys and values; 0: as many as of queries
  activation: str = 'squared_relu'  # a key of layers.ACTIVATIONS
  # Whether media are mapped to the width once and normed by each block; else
  # keys and values are of the latents as they are (OpenFlamingo).
  maps_media: bool = True
  norm: str = 'layer'  # a key of layers.NORMS
  norm_eps: float = 1e-5
  gated: bool = False  # the feed-forward (Shazeer 2020)
  mlp_width: int = 0  # 0: four times the width
  qk_norm: bool = False  # of each head's queries and keys (IDEFICS)
  vector_gates: bool = False  # a gate for each channel, not one for all
  # Of Llama 3.2: whether neighbouring media are seen together, without latents
  # that are 0; and whether the feed-forward leaves alone what sees none.
  groups_media: bool = False
  masked_ffw: bool = False

  def __post_init__(self):
    check_activation(self.activation, 'decoder.block')
    check_norm(self.norm, 'decoder.block')


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
  """Shape of the language model and of the blocks between its layers."""

  vocab: int  # entries of the frozen table; others are added behind them
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
  layer: LayerConfig = LayerConfig()
  tied: bool = True  # one table maps into and out of the trunk
  scaled_embedding: bool = True  # times the root of the width
  logit_cap: float = 0.0  # by tanh (Gemma 2); 0: none
  block: BlockConfig = BlockConfig()
  added: int = 1  # entries that Flamingo adds and trains
  added_tied: bool = True  # one row maps each of these into and out of the trunk
  added_scored: bool = True  # they have logits, and may be answered

  def __post_init__(self):
    if self.added < 0:
      raise UserError(
          f'decoder.added is {self.added}: at least 0; ours have 1, <EOC>'
      )
    if self.layer.positions == 'relative' and self.kv_heads != self.heads:
      raise UserError(
          f'decoder.layer.kv_heads is {self.kv_heads}: relative positions go '
          f'with as many as there are heads, {self.heads}'
      )
    if self.heads % self.kv_heads:
      raise UserError(
          f'decoder.layer.kv_heads is {self.kv_heads}, which does not divide '
          f'the {self.heads} heads'
      )
    turned = int(self.head_size * self.layer.rotary_share)
    if self.layer.positions == 'rotary' and (
        turned % 2 or not 0 < turned <= self.head_size
    ):
      raise UserError(
          f'decoder.head_size is {self.head_size} and decoder.layer.rotary_share '
          f'{self.layer.rotary_share}: rotary positions turn pairs, here '
          f'{turned / 2} of a head'
      )
    slowed = len(self.layer.rotary_divisors)
    if slowed not in (0, turned // 2):
      raise UserError(
          f'decoder.layer.rotary_divisors has {slowed} values, and a head '
          f'{turned // 2} pairs that turn'
      )
    if not 0 <= self.first < self.layers:
      raise UserError(
          f'decoder.first is {self.first}: of {self.layers} layers, 0 to '
          f'{self.layers - 1} can stand before the first gated block'
      )

  def check_length(self, tokens: int) -> None:
    """Raises UserError of texts longer than the context.

    Behind it learned positions do not exist, and of others the model knows
    nothing.
    """
    if tokens > self.context:
      raise UserError(
          f'texts have {tokens} tokens, and the language model was trained for '
          f'{self.context} (decoder.context): make the tokens of '
          'task_feature_lengths fewer'
      )

  @property
  def sized_block(self) -> BlockConfig:
    """Of gated blocks, with the language model's heads if none are told."""
    block = self.block
    return dataclasses.replace(
        block, heads=block.heads or self.heads,
        head_size=block.head_size or self.head_size,
    )

  @property
  def kv_heads(self) -> int:
    """Heads of keys and values."""
    return self.layer.kv_heads or self.heads

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

  def numbers(self, stack: str) -> dict[str, Int[np.ndarray, '...']]:
    """What differs from layer to layer of a stack, of its shape.

    'window' and 'rotary', each only where a model's layers differ in it.
    """
    start = 0
    for name, shape in self.stacks.items():
      if name == stack:
        break
      start += math.prod(shape)
    at = start + np.arange(math.prod(shape)).reshape(shape)
    return {
        name: np.array(values, np.int32)[at % len(values)]
        for name, values in (
            ('window', self.layer.windows), ('rotary', self.layer.rotary_kinds)
        ) if len(set(values)) > 1
    }

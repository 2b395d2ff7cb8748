# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the layers of language models are made of; the defaults: Chinchilla's.

A field is here because two public checkpoints differ in it; what a converter can
fold into weights (scales of queries, norms of 1 + w, fused projections) is not.
"""

import dataclasses

from flamingo_jax.errors import UserError
from flamingo_jax.models.layers import ACTIVATIONS, NORMS

POSITIONS = ('relative', 'rotary', 'alibi', 'learned', 'none')
NORM_PLACES = ('before', 'after', 'around')
QK_NORMS = ('none', 'head', 'whole')


@dataclasses.dataclass(frozen=True)
class LayerConfig:
  """One layer; tuples give a value for each layer, again from the start."""

  positions: str = 'relative'  # a key of POSITIONS
  # Of rotary positions, of which a model may have several kinds: the wave
  # length of the slowest pair, 0 for layers without positions ...
  rotary_thetas: tuple[float, ...] = (10_000.0,)
  # ... how many times slower all turn (linear scaling) ...
  rotary_factors: tuple[float, ...] = (1.0,)
  # ... the share of a head that is turned (GPT-NeoX) ...
  rotary_share: float = 1.0
  # ... and of Llama 3, what slow pairs are slowed by: factor, low and high
  # frequency factors, context of before; () for none.
  rotary_llama3: tuple[float, ...] = ()
  # Of YaRN and LongRoPE, of the first kind: how many times slower each pair
  # turns, () for none, and what all that is turned is multiplied by.
  rotary_divisors: tuple[float, ...] = ()
  rotary_scale: float = 1.0
  rotary_kinds: tuple[int, ...] = (0,)  # of each layer
  windows: tuple[int, ...] = (0,)  # keys that are seen; 0: all before
  norm: str = 'rms'  # a key of NORMS
  norm_eps: float = 1e-6
  norm_place: str = 'before'  # around each half of a layer
  parallel: bool = False  # both halves read the layer's input (GPT-J)
  activation: str = 'gelu'  # a key of ACTIVATIONS; 'gelu' by tanh
  gated: bool = False  # activation(gate(x)) * up(x) (Shazeer 2020)
  mlp_width: int = 0  # 0: four times the width
  kv_heads: int = 0  # of keys and values; 0: as many as of queries
  qkv_bias: bool = False
  out_bias: bool = False
  mlp_bias: bool = False
  qkv_clip: float = 0.0  # of queries, keys and values (MPT-7B); 0: none
  qk_norm: str = 'none'  # of queries and keys, each head's or whole
  attention_cap: float = 0.0  # of scores, by tanh (Gemma 2); 0: none

  def __post_init__(self):
    for name, choices in (
        ('positions', POSITIONS), ('norm', NORMS), ('norm_place', NORM_PLACES),
        ('activation', ACTIVATIONS), ('qk_norm', QK_NORMS),
    ):
      value = getattr(self, name)
      if value not in choices:
        raise UserError(
            f'decoder.layer.{name} is {value!r} and must be one of '
            f'{", ".join(choices)}'
        )
    kinds = len(self.rotary_thetas)
    if len(self.rotary_factors) != kinds or not all(
        0 <= kind < kinds for kind in self.rotary_kinds
    ):
      raise UserError(
          f'decoder.layer has {kinds} rotary_thetas: rotary_factors '
          f'{self.rotary_factors} and rotary_kinds {self.rotary_kinds} must fit'
      )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What the config.json and the tensors of public ViTs have in common."""

from typing import Any

import numpy as np

from flamingo_jax.convert.hub_folder import Attributes
from flamingo_jax.convert.pixels import Pixels, side
from flamingo_jax.convert.rules import Rule
from flamingo_jax.errors import UserError


def shape(config: Attributes, patch: int) -> dict[str, Any]:
  """Fields of ViTConfig; what is not said is a ViT-B's.

  Raises:
    UserError: heads don't divide the width, or pictures have no three channels.
  """
  width = config.count('hidden_size', 768)
  heads = config.count('num_attention_heads', 12)
  check_heads(width, heads, config.path)
  config.expect('num_channels', 3)
  patch = side(
      config.take('patch_size', patch), f'{config.path}: patch_size'
  )
  return {
      'patch': patch, 'layers': config.count('num_hidden_layers', 12),
      'width': width, 'heads': heads, 'bias': True,
  }


def check_heads(width: int, heads: int, path: str) -> None:
  """UserError if heads don't divide the width."""
  if width % heads:
    raise UserError(
        f'{path}: the number of heads is {heads}, which does not divide the '
        f'width, {width}'
    )


def statistics(pixels: Pixels) -> dict[str, Any]:
  """Fields of ViTConfig."""
  return {
      'pixel_mean': pixels.mean, 'pixel_std': pixels.std,
      'squaring': pixels.size.squaring,
  }


def image_size(config: Attributes, pixels: Pixels) -> int:
  """Pixels a side, which both files have to say alike; else UserError."""
  size = side(config.take('image_size', 224), f'{config.path}: image_size')
  if size != pixels.size:
    raise UserError(
        f'{pixels.path} makes pictures of {pixels.size} pixels a side, and '
        f'{config.path} says {size}; the files do not belong together'
    )
  return size


def expect_plain(config: Attributes) -> None:
  """That nothing is switched on that ViTs have no use for; else UserError."""
  config.expect('add_cross_attention', False)
  config.expect('is_decoder', False)
  config.expect('pruned_heads', {}, None)
  config.ignore('tie_word_embeddings')


def stored(dtype: np.dtype) -> str:
  """The dtype of a tower whose tensors have this one."""
  return 'bfloat16' if dtype == 'bfloat16' else 'float32'


def patches(source: str) -> Rule:
  """A convolution [D, 3, p, p] of strides p: a map of patches' pixels."""
  return Rule(
      source, ('patches_projection/kernel',),
      lambda x: (x.transpose(2, 3, 1, 0).reshape(-1, x.shape[0]),),
  )


def fused_heads(weight: str, bias: str) -> list[Rule]:
  """One map of queries, keys and values."""
  parts = ('query', 'key', 'value')
  return [
      Rule(weight, tuple(f'{part}/map/kernel' for part in parts),
           lambda x: np.split(x.T, 3, axis=1)),
      Rule(bias, tuple(f'{part}/map/bias' for part in parts),
           lambda x: np.split(x, 3)),
  ]


def fused_gate(source: str) -> list[Rule]:
  """One map of the gate and of what it lets through."""
  return [
      Rule(f'{source}.weight', ('ffw/gate/kernel', 'ffw/up/kernel'),
           lambda x: np.split(x.T, 2, axis=1)),
      Rule(f'{source}.bias', ('ffw/gate/bias', 'ffw/up/bias'),
           lambda x: np.split(x, 2)),
  ]


def tokens(source: str, target: str) -> Rule:
  """Rows of the width, whatever stands before them."""
  return Rule(source, (target,), lambda x: (x.reshape(-1, x.shape[-1]),))

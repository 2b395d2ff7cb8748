# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""DINOv2, with and without registers.

Its pictures are smaller than those that it was trained on last, so its places are
resampled, once and for all, as it does for each batch.
"""

import dataclasses

import numpy as np

from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels, side
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    layer_norm,
    linear,
    linear_from_heads,
    same,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models.vision import VisionEncoderConfig
from flamingo_jax.models.vit import ViTConfig

FAMILIES = ('dinov2', 'dinov2_with_registers')
# A token for what is masked in training, and a head for classes.
_BESIDE = ('embeddings.mask_token', 'classifier.')


def mapping(
    kind: str, config: Attributes, tensors: Tensors, pixels: Pixels
) -> Mapping:
  """Of a model of one of the FAMILIES.

  Raises:
    UserError: it has what is not known here.
  """
  config.expect('qkv_bias', True)
  config.ignore(
      'attention_probs_dropout_prob', 'hidden_dropout_prob', 'drop_path_rate',
      'layerscale_value', 'use_mask_token',
      # Of its use as a backbone, which hands on other layers too.
      'apply_layernorm', 'reshape_hidden_states', 'out_features', 'out_indices',
      'stage_names',
  )
  has_registers = kind == 'dinov2_with_registers'
  vision = ViTConfig(
      class_token=True, patch_bias=True, layer_scale=True,
      registers=config.count('num_register_tokens', 4) if has_registers else 0,
      activation=config.activation('hidden_act', 'gelu'),
      norm_eps=config.number('layer_norm_eps', 1e-6),
      **vit_parts.shape(config, 14 if kind == 'dinov2' else 16),
      **vit_parts.statistics(pixels),
  )
  hidden = int(vision.width * config.number('mlp_ratio', 4.0))
  if config.take('use_swiglu_ffn', False):
    hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
    vision = dataclasses.replace(vision, gated=True, activation='silu')
  vision = dataclasses.replace(
      vision, mlp_width=hidden, grid=pixels.size // vision.patch
  )
  trained = side(config.take('image_size', 224), f'{config.path}: image_size')
  vit_parts.expect_plain(config)
  name = 'embeddings.patch_embeddings.projection.weight'
  prefix = '' if name in tensors else f'{FAMILIES[has_registers]}.'
  dtype = tensors.dtype(f'{prefix}{name}')
  resampled = _resampled(
      f'{prefix}embeddings.position_embeddings', trained // vision.patch,
      vision.grid, has_registers,
  )
  return Mapping(
      VisionEncoderConfig(vision, int(pixels.size), vit_parts.stored(dtype)),
      tuple(_layer_rules(f'{prefix}encoder.layer.{{}}.', vision)),
      (resampled, *_end_rules(prefix, vision)),
      left_out=_BESIDE,
  )


def _end_rules(prefix: str, vision: ViTConfig) -> list[Rule]:
  embeddings = f'{prefix}embeddings.'
  projection = f'{embeddings}patch_embeddings.projection'
  rules = [
      vit_parts.patches(f'{projection}.weight'),
      same(f'{projection}.bias', 'patches_projection/bias'),
      vit_parts.tokens(f'{embeddings}cls_token', 'class_token'),
      *layer_norm(f'{prefix}layernorm', 'norm'),
  ]
  if vision.registers:
    rules.append(vit_parts.tokens(f'{embeddings}register_tokens', 'registers'))
  return rules


def _layer_rules(at: str, vision: ViTConfig) -> list[Rule]:
  rules = [
      *layer_norm(f'{at}norm1', 'attn_norm'),
      *layer_norm(f'{at}norm2', 'ffw_norm'),
      *linear_from_heads(f'{at}attention.output.dense', 'out', vision.heads),
      same(f'{at}layer_scale1.lambda1', 'attn_scale'),
      same(f'{at}layer_scale2.lambda1', 'ffw_scale'),
  ]
  maps = [
      (f'attention.attention.{name}', f'{name}/map')
      for name in ('query', 'key', 'value')
  ]
  if vision.gated:
    maps.append(('mlp.weights_out', 'ffw/down'))
    rules += vit_parts.fused_gate(f'{at}mlp.weights_in')
  else:
    maps += [('mlp.fc1', 'ffw/up'), ('mlp.fc2', 'ffw/down')]
  for source, target in maps:
    rules += linear(f'{at}{source}', target)
  return rules


def _resampled(source: str, side: int, new: int, antialiased: bool) -> Rule:
  """The places of a grid as those of another; the class token keeps its own."""

  def make(x: np.ndarray) -> tuple[np.ndarray]:
    x = x[0]
    if len(x) != 1 + side**2:
      raise UserError(
          f'{source} has {len(x)} places, and config.json says 1 + {side} x '
          f'{side}; the files do not belong together'
      )
    if side == new:
      return (x,)
    by = _bicubic(side, new, antialiased)
    grid = x[1:].astype(np.float64).reshape(side, side, -1)
    grid = np.einsum('as,bt,std->abd', by, by, grid)
    return (np.concatenate([x[:1], grid.reshape(new**2, -1)]),)

  return Rule(source, ('position_embeddings',), make)


def _bicubic(size: int, new: int, antialiased: bool) -> np.ndarray:
  """[new size] weights, as PyTorch's interpolate has them.

  With antialiasing it is Pillow's resize: another cubic (a = -0.5), stretched
  where it shrinks, and cut off at the ends; without, a = -0.75 and the first and
  the last value go on beyond them.
  """
  scale = size / new
  stretch = max(scale, 1) if antialiased else 1
  a = -0.5 if antialiased else -0.75
  reach = int(np.ceil(2 * stretch)) + 1
  places = np.arange(-reach, size + reach)
  centres = (np.arange(new)[:, None] + 0.5) * scale - 0.5
  x = np.abs(centres - places) / stretch
  weights = np.where(
      x < 1, ((a + 2) * x - (a + 3)) * x**2 + 1,
      np.where(x < 2, (((x - 5) * x + 8) * x - 4) * a, 0),
  )
  inside = weights[:, reach:-reach].copy()
  if antialiased:
    return inside / inside.sum(1, keepdims=True)
  inside[:, 0] += weights[:, :reach].sum(1)
  inside[:, -1] += weights[:, -reach:].sum(1)
  return inside

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The vision encoders of CLIP and SigLIP, alone or beside another tower.

Features are those of patches behind the last norm, as OpenFlamingo takes them.
"""

import dataclasses

from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels
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


@dataclasses.dataclass(frozen=True)
class _Family:
  """What sets the two apart."""

  is_clip: bool  # a class token, a norm before the layers, no patch bias
  patch: int  # unless config.json says it, as the rest
  activation: str
  eps: float


_CLIP = _Family(True, 32, 'quick_gelu', 1e-5)
_SIGLIP = _Family(False, 16, 'gelu_pytorch_tanh', 1e-6)
FAMILIES = {
    'clip': _CLIP,
    'clip_vision_model': _CLIP,
    'siglip': _SIGLIP,
    'siglip_vision_model': _SIGLIP,
}
# Beside the vision encoder; and its pooling head, which makes one vector of the
# patches.
_BESIDE = ('text_model.', 'text_projection.', 'visual_projection.',
           'logit_scale', 'logit_bias', 'position_ids')


def mapping(
    kind: str, config: Attributes, tensors: Tensors, pixels: Pixels
) -> Mapping:
  """Of a model of one of the FAMILIES.

  Raises:
    UserError: it has what is not known here.
  """
  family = FAMILIES[kind]
  part = config
  if not kind.endswith('_vision_model'):
    part = _vision_part(config)
  part.ignore('projection_dim')
  base = kind.removesuffix('_vision_model')
  part.expect('model_type', f'{base}_vision_model')
  if not family.is_clip:
    part.expect('vision_use_head', True, False)
  config.ignore('projection_dim', 'logit_scale_init_value', 'text_config',
                'text_config_dict', '_commit_hash')
  vit_parts.expect_plain(config)
  vision, size = _shape(part, family, pixels)
  name = 'embeddings.patch_embedding.weight'
  prefix = '' if name in tensors else 'vision_model.'
  dtype = tensors.dtype(f'{prefix}{name}')
  return Mapping(
      VisionEncoderConfig(vision, size, vit_parts.stored(dtype)),
      tuple(_layer_rules(f'{prefix}encoder.layers.{{}}.', vision)),
      tuple(_end_rules(prefix, vision)),
      left_out=(*_BESIDE, *(() if family.is_clip else (f'^{prefix}head.',))),
  )


def idefics_mapping(part: Attributes, pixels: Pixels, prefix: str) -> Mapping:
  """Of the vision encoder in an IDEFICS, a CLIP.

  It hands on all of its last layer, the class token too, without a norm.

  Args:
    part: what config.json says of it.
    pixels: of the folder.
    prefix: of the tensors' names.

  Raises:
    UserError: it has what is not known here.
  """
  part.ignore('vision_model_name', 'model_type')
  width = part.take_if_any('embed_dim')
  if width is not None:
    part = part.with_defaults({'hidden_size': width})
  vision, size = _shape(
      part.with_defaults({'num_hidden_layers': 32, 'num_attention_heads': 16,
                          'intermediate_size': 5120}),
      dataclasses.replace(_CLIP, patch=14, activation='gelu'), pixels,
  )
  vision = dataclasses.replace(vision, gives_class_token=True, last_norm=False)
  return Mapping(
      VisionEncoderConfig(vision, size),
      tuple(_layer_rules(f'{prefix}encoder.layers.{{}}.', vision)),
      tuple(_end_rules(prefix, vision)),
      left_out=(f'^{prefix}post_layernorm.', f'^{prefix}embeddings.position_ids'),
  )


def _shape(
    part: Attributes, family: _Family, pixels: Pixels
) -> tuple[ViTConfig, int]:
  """The encoder, and the size of its pictures; all of `part` is understood."""
  vision = ViTConfig(
      class_token=family.is_clip, patch_bias=not family.is_clip,
      pre_norm=family.is_clip,
      activation=part.activation('hidden_act', family.activation),
      mlp_width=part.count('intermediate_size', 3072),
      norm_eps=part.number('layer_norm_eps', family.eps),
      **vit_parts.shape(part, family.patch),
      **vit_parts.statistics(pixels),
  )
  size = vit_parts.image_size(part, pixels)
  vit_parts.expect_plain(part)
  part.ignore(*IRRELEVANT)
  part.finish()
  return dataclasses.replace(vision, grid=size // vision.patch), size


def _vision_part(config: Attributes) -> Attributes:
  """Of a model of both towers.

  CLIP's old files have it twice; then the second one counts, and what is
  missing from it has its default.
  """
  told = config.take_if_any('vision_config')
  instead = config.take_if_any('vision_config_dict')
  told = told if instead is None else instead
  if not isinstance(told, dict | None):
    raise UserError(f'{config.path}: vision_config is {told!r} and has to be an '
                    'object')
  return Attributes(told or {}, f'{config.path}, vision_config')


def _end_rules(prefix: str, vision: ViTConfig) -> list[Rule]:
  embeddings = f'{prefix}embeddings.'
  rules = [
      vit_parts.patches(f'{embeddings}patch_embedding.weight'),
      same(f'{embeddings}position_embedding.weight', 'position_embeddings'),
  ]
  if vision.last_norm:
    rules += layer_norm(f'{prefix}post_layernorm', 'norm')
  if vision.patch_bias:
    rules.append(same(f'{embeddings}patch_embedding.bias',
                      'patches_projection/bias'))
  if vision.class_token:
    rules.append(vit_parts.tokens(f'{embeddings}class_embedding',
                                  'class_token'))
  if vision.pre_norm:
    rules += layer_norm(f'{prefix}pre_layrnorm', 'pre_norm')
  return rules


def _layer_rules(at: str, vision: ViTConfig) -> list[Rule]:
  rules = [
      *layer_norm(f'{at}layer_norm1', 'attn_norm'),
      *layer_norm(f'{at}layer_norm2', 'ffw_norm'),
      *linear_from_heads(f'{at}self_attn.out_proj', 'out', vision.heads),
  ]
  for source, target in (
      ('self_attn.q_proj', 'query/map'), ('self_attn.k_proj', 'key/map'),
      ('self_attn.v_proj', 'value/map'), ('mlp.fc1', 'ffw/up'),
      ('mlp.fc2', 'ffw/down'),
  ):
    rules += linear(f'{at}{source}', target)
  return rules

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ViTs of CLIPs that open_clip has written, with its config and names.

Those of SigLIPs are timm's, within.
"""

import dataclasses

from flamingo_jax.convert import timm_vit
from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels, of_channels, side
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
from flamingo_jax.picture_size import PictureSize, Squaring

CONFIG = 'open_clip_config.json'
# The text tower under both of its names, and what joins the towers.
_BESIDE = ('^text.', '^transformer.', '^token_embedding.',
           '^positional_embedding', '^ln_final.', '^text_projection',
           '^logit_scale', '^logit_bias', '^visual.proj')
_AT = 'visual.transformer.resblocks.{}.'


def mapping(config: Attributes, tensors: Tensors) -> Mapping:
  """Of an open_clip_config.json.

  Raises:
    UserError: it has what is not known here.
  """
  model = config.part('model_cfg')
  part = model.part('vision_cfg')
  quick = model.take('quick_gelu', False)
  model.ignore('embed_dim', 'text_cfg', 'custom_text', 'init_logit_scale',
               'init_logit_bias', 'nonscalar_logit_scale')
  size = side(part.take('image_size', 224), f'{part.path}: image_size')
  pixels = read_pixels(config.part('preprocess_cfg'), size)
  if pixels.size != size:
    raise UserError(f'{config.path}: preprocess_cfg makes pictures of '
                    f'{pixels.size} pixels a side, and vision_cfg says {size}')
  name = part.take_if_any('timm_model_name')
  if name is None:
    found = _of_open_clip(
        part, 'quick_gelu' if quick else 'gelu_exact', tensors, pixels
    )
  else:
    found = _of_timm(name, part, tensors, pixels)
  for attributes in (model, part, config):
    attributes.finish()
  return found


def _of_open_clip(
    part: Attributes, activation: str, tensors: Tensors, pixels: Pixels
) -> Mapping:
  """A ViT as open_clip itself has it."""
  vision = _vision(part, activation)
  _expect_plain(part)
  vision = dataclasses.replace(
      vision, grid=pixels.size // vision.patch, **vit_parts.statistics(pixels)
  )
  dtype = vit_parts.stored(tensors.dtype('visual.conv1.weight'))
  return Mapping(
      VisionEncoderConfig(vision, int(pixels.size), dtype),
      tuple(_layer_rules(vision)),
      (
          vit_parts.patches('visual.conv1.weight'),
          vit_parts.tokens('visual.class_embedding', 'class_token'),
          same('visual.positional_embedding', 'position_embeddings'),
          *layer_norm('visual.ln_pre', 'pre_norm'),
          *layer_norm('visual.ln_post', 'norm'),
      ),
      left_out=_BESIDE,
  )


def _of_timm(
    name: str, part: Attributes, tensors: Tensors, pixels: Pixels
) -> Mapping:
  """An encoder that open_clip has from timm."""
  part.ignore('timm_model_pretrained', 'timm_pool', 'timm_proj',
              'timm_proj_bias', 'timm_drop', 'timm_drop_path', 'patch_dropout')
  args = part.part('timm_model_kwargs', {})
  found = timm_vit.mapping(name, args, tensors, pixels, 'visual.trunk.')
  if found is None:
    raise UserError(f'{part.path}: timm_model_name is {name!r}, and known are '
                    f'{timm_vit.KNOWN}')
  return dataclasses.replace(
      found, left_out=(*found.left_out, *_BESIDE, '^visual.head.')
  )


def _vision(part: Attributes, activation: str) -> ViTConfig:
  width, head = part.count('width', 768), part.count('head_width', 64)
  if width % head:
    raise UserError(f'{part.path}: head_width is {head}, which does not divide '
                    f'width, {width}')
  norm = Attributes(part.take_if_any('norm_kwargs') or {},
                    f'{part.path}, norm_kwargs')
  vision = ViTConfig(
      patch=side(part.take('patch_size', 16), f'{part.path}: patch_size'),
      layers=part.count('layers', 12), width=width, heads=width // head,
      mlp_width=int(width * part.number('mlp_ratio', 4.0)), class_token=True,
      pre_norm=True, bias=True, activation=activation,
      norm_eps=norm.number('eps', 1e-5),
  )
  norm.finish()
  return vision


def _expect_plain(part: Attributes) -> None:
  for name in ('attentional_pool', 'no_ln_pre', 'final_ln_after_pool',
               'qk_norm', 'scaled_cosine_attn', 'scale_heads',
               'scale_attn_inner', 'scale_attn', 'scale_fc'):
    part.expect(name, False)
  for name in ('ls_init_value', 'act_kwargs'):
    part.expect(name, None)
  part.expect('pos_embed_type', 'learnable')
  part.expect('block_type', None, 'default')
  # Of training, and of what is made of patches behind the last norm.
  part.ignore('patch_dropout', 'output_tokens', 'pool_type',
              'attn_pooler_queries', 'attn_pooler_heads')


def read_pixels(part: Attributes, size: int) -> Pixels:
  """Of this size unless it says another, as open_clip evaluates."""
  size = side(part.take('size', size), f'{part.path}: size')
  part.expect('mode', 'RGB')
  part.ignore('fill_color')  # of what only mode 'longest' fills
  way = part.expect('resize_mode', 'shortest', 'squash')
  name = part.expect('interpolation', 'bicubic', 'bilinear', 'random')
  name = 'bicubic' if name == 'random' else name
  squaring = Squaring('cropped', name, size, rounds=True)
  if way == 'squash':
    squaring = Squaring('stretched', name)
  return Pixels(
      PictureSize(size, squaring), of_channels(part, 'mean'),
      of_channels(part, 'std'), part.path,
  )


def _layer_rules(vision: ViTConfig) -> list[Rule]:
  rules = [
      *layer_norm(f'{_AT}ln_1', 'attn_norm'),
      *layer_norm(f'{_AT}ln_2', 'ffw_norm'),
      *vit_parts.fused_heads(f'{_AT}attn.in_proj_weight',
                             f'{_AT}attn.in_proj_bias'),
      *linear_from_heads(f'{_AT}attn.out_proj', 'out', vision.heads),
  ]
  for source, target in (('c_fc', 'ffw/up'), ('c_proj', 'ffw/down')):
    rules += linear(f'{_AT}mlp.{source}', target)
  return rules

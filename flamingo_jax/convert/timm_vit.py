# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""ViTs of timm, which open_clip has in its SigLIPs too.

Of most that sets them apart the tensors tell; heads, activation and eps of norms
are in timm's code, by name.
"""

import dataclasses
import re

import numpy as np

from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import Attributes, Tensors
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

# Width, layers, heads.
SIZES = {
    'tiny': (192, 12, 3), 'small': (384, 12, 6), 'medium': (512, 12, 8),
    'base': (768, 12, 12), 'large': (1024, 24, 16), 'huge': (1280, 32, 16),
    'so400m': (1152, 27, 16), 'giant': (1408, 40, 16),
    'giantopt': (1536, 40, 16), 'gigantic': (1664, 48, 16),
    'giant_dinov2': (1536, 40, 24),
}
_NAME = re.compile(
    r'vit_([a-z0-9]+)_patch(\d+)_'
    r'(clip_quickgelu|clip|siglip_gap|siglip|reg4_dinov2|dinov2|)_?(\d*)'
)
KNOWN = (
    'vit_<size>_patch<n>_<kind>_<pixels> of the sizes '
    f'{", ".join(x for x in SIZES if "_" not in x)} and of no kind or clip, '
    'clip_quickgelu, siglip, siglip_gap, dinov2 and reg4_dinov2'
)
# What pools patches, or makes classes of them.
_BESIDE = ('attn_pool.', 'head.')


def mapping(
    name: str, args: Attributes, tensors: Tensors, pixels: Pixels,
    prefix: str = '',
) -> Mapping | None:
  """Of an architecture; None if its name is not known.

  Args:
    name: as timm has it.
    args: what the model is built with, beyond its name.
    tensors: of the folder.
    pixels: with the size of pictures.
    prefix: of the tensors' names.

  Raises:
    UserError: it has what is not known here.
  """
  found = _NAME.fullmatch(name)
  if found is None or found[1] not in SIZES:
    return None
  size, patch, kind, image = found.groups()
  shape = lambda name: tensors.shape(f'{prefix}{name}')
  hidden = shape('blocks.0.mlp.fc2.weight')[-1]
  gated = shape('blocks.0.mlp.fc1.weight')[0] == 2 * hidden
  if gated and 'dinov2' not in kind:
    raise UserError(f'blocks.0.mlp of {name} is gated, which is not known here')
  is_dinov2_giant = size == 'giant' and 'dinov2' in kind
  width, layers, heads = SIZES['giant_dinov2' if is_dinov2_giant else size]
  registers = f'{prefix}reg_token'
  config = ViTConfig(
      patch=args.count('patch_size', int(patch)),
      layers=args.count('depth', layers), width=args.count('embed_dim', width),
      heads=args.count('num_heads', heads), mlp_width=hidden,
      class_token=f'{prefix}cls_token' in tensors,
      registers=shape('reg_token')[-2] if registers in tensors else 0,
      patch_bias=f'{prefix}patch_embed.proj.bias' in tensors,
      pre_norm=f'{prefix}norm_pre.weight' in tensors, bias=True,
      layer_scale=f'{prefix}blocks.0.ls1.gamma' in tensors, gated=gated,
      activation='silu' if gated else _activation(size, patch, kind, image),
      norm_eps=1e-5 if 'clip' in kind and 'siglip' not in kind else 1e-6,
      **vit_parts.statistics(pixels),
  )
  config = dataclasses.replace(config, grid=pixels.size // config.patch)
  vit_parts.check_heads(config.width, config.heads, args.path)
  # Told by the tensors, or not of what is read.
  args.ignore('class_token', 'dynamic_img_size', 'init_values', 'mlp_ratio',
              'no_embed_class', 'pre_norm', 'reg_tokens')
  args.finish()
  dtype = tensors.dtype(f'{prefix}patch_embed.proj.weight')
  return Mapping(
      VisionEncoderConfig(config, int(pixels.size), vit_parts.stored(dtype)),
      tuple(_layer_rules(f'{prefix}blocks.{{}}.', config)),
      tuple(_end_rules(prefix, config)),
      left_out=tuple(f'^{prefix}{part}' for part in _BESIDE),
  )


def _activation(size: str, patch: str, kind: str, image: str) -> str:
  """Of layers that are not gated."""
  if kind == 'clip_quickgelu':
    return 'quick_gelu'
  # Shapes that came with SigLIP 2; those of before are GELU itself in timm.
  is_new = (size == 'giantopt' or (size, patch) == ('base', '32') or
            (size, image) == ('large', '512') or (size, patch) == ('so400m', '16'))
  return 'gelu' if 'siglip' in kind and is_new else 'gelu_exact'


def _end_rules(prefix: str, vision: ViTConfig) -> list[Rule]:
  rules = [
      vit_parts.patches(f'{prefix}patch_embed.proj.weight'),
      *layer_norm(f'{prefix}norm', 'norm'),
      _places(prefix, vision),
  ]
  if vision.patch_bias:
    rules.append(same(f'{prefix}patch_embed.proj.bias',
                      'patches_projection/bias'))
  if vision.class_token:
    rules.append(vit_parts.tokens(f'{prefix}cls_token', 'class_token'))
  if vision.pre_norm:
    rules += layer_norm(f'{prefix}norm_pre', 'pre_norm')
  return rules


def _places(prefix: str, vision: ViTConfig) -> Rule:
  """Of patches alone, or of all tokens; ours are of all but registers.

  What the file has for registers is added to them, and what it has not for the
  class token is 0.
  """
  source, first = f'{prefix}pos_embed', int(vision.class_token)

  def make(places: np.ndarray, *registers: np.ndarray) -> list[np.ndarray]:
    places = places.reshape(-1, vision.width)
    patches, before = vision.grid**2, first + vision.registers
    registers = [x.reshape(-1, vision.width) for x in registers]
    if len(places) == patches:
      return [np.pad(places, ((first, 0), (0, 0))), *registers]
    if len(places) != patches + before:
      raise UserError(
          f'{source} has {len(places)} places, and pictures of the size that is '
          f'told have {patches} patches; the files do not belong together'
      )
    rest = np.delete(places, slice(first, before), axis=0)
    return [rest, *(x + places[first:before] for x in registers)]

  return Rule(
      source, ('position_embeddings', *['registers'][: vision.registers]), make,
      beside=(f'{prefix}reg_token',) if vision.registers else (),
  )


def _layer_rules(at: str, vision: ViTConfig) -> list[Rule]:
  rules = [
      *layer_norm(f'{at}norm1', 'attn_norm'),
      *layer_norm(f'{at}norm2', 'ffw_norm'),
      *vit_parts.fused_heads(f'{at}attn.qkv.weight', f'{at}attn.qkv.bias'),
      *linear_from_heads(f'{at}attn.proj', 'out', vision.heads),
      *linear(f'{at}mlp.fc2', 'ffw/down'),
  ]
  if vision.gated:
    rules += vit_parts.fused_gate(f'{at}mlp.fc1')
  else:
    rules += linear(f'{at}mlp.fc1', 'ffw/up')
  if vision.layer_scale:
    rules += [same(f'{at}ls1.gamma', 'attn_scale'),
              same(f'{at}ls2.gamma', 'ffw_scale')]
  return rules

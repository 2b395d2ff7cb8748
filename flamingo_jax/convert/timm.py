# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoders of timm: its config.json, and what names of architectures mean."""

import math
import re

from flamingo_jax.convert import nfnet
from flamingo_jax.convert import timm_vit
from flamingo_jax.convert.hub_folder import Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels, of_channels, side
from flamingo_jax.convert.rules import Mapping
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import PictureSize, Squaring

# Of where weights are from and what they are for.
_OF_PRETRAINING = '''
    architecture classifier custom_load description file first_conv
    fixed_input_size hf_hub_filename hf_hub_id label_descriptions label_names
    label_offset license min_input_size notes num_classes origin_url paper_ids
    paper_name pool_size source state_dict tag test_pool_size url
'''.split()


def mapping(config: Attributes, tensors: Tensors) -> Mapping:
  """Of a config.json that timm has written.

  Raises:
    UserError: it has what is not known here.
  """
  name = str(config.take('architecture'))
  config.ignore('num_classes', 'num_features', 'global_pool', 'labels',
                'label_names', 'label_descriptions')
  args = config.part('model_args', {})
  args.expect('in_chans', 3)
  args.ignore('num_classes', 'global_pool', 'drop_rate', 'drop_path_rate')
  # Old files have its attributes beside the others.
  part = config.part('pretrained_cfg') if 'pretrained_cfg' in config else config
  variant = re.fullmatch(r'dm_nfnet_f([0-6])', name)
  told, tested = part.take('input_size'), part.take_if_any('test_input_size')
  share = part.number('crop_pct', 0.875)
  share_of_tests = part.number('test_crop_pct', share)
  # NFNets are for pictures of any size, and see larger ones when they are tested.
  if variant and tested is not None:
    told, share = tested, share_of_tests
  size = _side(args.take('img_size', told), f'{part.path}: the size')
  pixels = Pixels(
      PictureSize(size, _squaring(part, size, share)),
      of_channels(part, 'mean'), of_channels(part, 'std'), part.path,
  )
  part.ignore(*_OF_PRETRAINING)
  part.finish()
  if variant:
    return nfnet.from_timm(f'F{variant[1]}', args, tensors, pixels)
  found = timm_vit.mapping(name, args, tensors, pixels)
  if found is None:
    raise UserError(
        f'{config.path}: architecture is {name!r}, and known of timm are '
        f'dm_nfnet_f0 to dm_nfnet_f6 and {timm_vit.KNOWN}'
    )
  return found


def _squaring(part: Attributes, size: int, share: float) -> Squaring:
  """How timm makes squares to evaluate, which are a share of a side."""
  if share > 1:
    raise UserError(f'{part.path}: crop_pct is {share} and has to be at most 1')
  way = part.expect('crop_mode', 'center', 'squash')
  name = part.expect('interpolation', 'bilinear', 'bicubic')
  scaled = math.floor(size / share)
  if way == 'center':
    return Squaring('cropped', name, scaled, rounds=True)
  if scaled == size:
    return Squaring('stretched', name)
  return Squaring('stretched', name, scaled, rounds=True)


def _side(size: object, what: str) -> int:
  """Of a square, without the three channels that may stand before it."""
  if isinstance(size, list) and len(size) == 3 and size[0] == 3:
    size = size[1:]
  return side(size, what)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""NFNet-F0 to F6, from DeepMind's haiku files and from timm."""

from collections.abc import Callable, Mapping as Dict
import dataclasses

import numpy as np

from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels
from flamingo_jax.convert.rules import Mapping, Rule, same
from flamingo_jax.errors import UserError
from flamingo_jax.models.nfnet import (
    FINAL_MULTIPLIER,
    NFNETS,
    VARIANCE_FLOOR,
    NFNetConfig,
)
from flamingo_jax.models.vision import VisionEncoderConfig
from flamingo_jax.picture_size import Squaring

# Pixels a side of the pictures that DeepMind tested with; those of training were
# smaller.
TEST_SIZES = {'F0': 256, 'F1': 320, 'F2': 352, 'F3': 416, 'F4': 512, 'F5': 544,
              'F6': 576}
_MARGIN = 32  # pixels around them
_TIMM_EPS = 1e-5  # added to the variance of a channel's kernel


@dataclasses.dataclass(frozen=True)
class _Names:
  """Of one kind of file."""

  stem: str  # '{}' is a number
  first_stem: int  # the number of the first
  final: str
  # Of a block of a stage, one of all blocks and one of the stage.
  block: Callable[[int, int, int], str]
  parts: Dict[str, str]  # of ours of a block, theirs
  skip_gain: str
  conv: Callable[[str, str], list[Rule]]  # from their name and ours
  linear: Callable[[str, str], list[Rule]]


def from_timm(
    variant: str, args: Attributes, tensors: Tensors, pixels: Pixels
) -> Mapping:
  """Of timm's dm_nfnets, with GELU itself and an eps of their own.

  Args:
    variant: a key of TEST_SIZES.
    args: what the model is built with, beyond its name.
    tensors: of the folder.
    pixels: with the size of pictures.

  Raises:
    UserError: it has what is not known here.
  """
  row = NFNETS[variant]
  stem = args.count('stem_chs', row.stem[-1])
  widths = args.counts('channels', row.widths)
  depths = args.counts('depths', row.depths)
  if len(widths) != len(depths):
    raise UserError(f'{args.path}: channels {widths} and depths {depths} have to '
                    'be as many')
  args.expect('num_features', FINAL_MULTIPLIER * widths[-1])
  config = NFNetConfig(
      depths, widths, (1, *(2,) * (len(depths) - 1)),
      (stem // 8, stem // 4, stem // 2, stem),
      args.count('group_size', row.group_width), 'gelu_exact',
      **vit_parts.statistics(pixels),
  )
  args.finish()
  return _mapping(config, _TIMM, tensors, int(pixels.size), '^head.')


def from_haiku(tensors: Tensors) -> Mapping:
  """Of a file of DeepMind, which has their parameters alone.

  Raises:
    UserError: they are of no NFNet that is known here.
  """
  blocks = sum(name.endswith('/skip_gain') for name in tensors)
  for variant, size in TEST_SIZES.items():
    if sum(NFNETS[variant].depths) == blocks:
      config = dataclasses.replace(
          NFNETS[variant],
          squaring=Squaring('stretched', shorter=size + _MARGIN),
      )
      return _mapping(config, _HAIKU, tensors, size, 'NFNet/~/linear/')
  known = ', '.join(f'{sum(NFNETS[x].depths)} ({x})' for x in TEST_SIZES)
  raise UserError(
      f'the haiku file holds {blocks} blocks of an NFNet, and known are those '
      f'of {known}'
  )


def _mapping(
    config: NFNetConfig, names: _Names, tensors: Tensors, size: int, head: str
) -> Mapping:
  """head: what is left out, which makes classes of features."""
  ends = []
  for i in range(len(config.stem)):
    source = names.stem.format(names.first_stem + i)
    ends += names.conv(source, f'stem_conv{i}')
  number = 0
  for stage, depth in enumerate(config.depths):
    for index in range(depth):
      at = names.block(number, stage, index)
      width = (config.stem[-1:] + config.widths)[stage]
      has_shortcut = index == 0 and (
          config.strides[stage] > 1 or width != config.widths[stage]
      )
      target = f'stage{stage}_block{"s" if index else "0"}'
      place = (index - 1,) if index else ()
      ends += [
          dataclasses.replace(rule, place=place)
          for rule in _block(names, at, f'{target}/', has_shortcut)
      ]
      number += 1
  ends += names.conv(names.final, 'final_conv')
  dtype = vit_parts.stored(tensors.dtype(ends[0].source))
  encoder = VisionEncoderConfig(config, size, dtype)
  return Mapping(encoder, (), tuple(ends), left_out=(head,))


def _block(
    names: _Names, at: str, target: str, has_shortcut: bool
) -> list[Rule]:
  convs = ['conv0', 'conv1', 'conv1b', 'conv2'] + ['shortcut'] * has_shortcut
  rules = [Rule(f'{at}{names.skip_gain}', (f'{target}skip_gain',),
                lambda x: (x.reshape(()),))]
  for name in convs:
    rules += names.conv(f'{at}{names.parts[name]}', f'{target}{name}')
  for name in ('squeeze', 'excite'):
    rules += names.linear(
        f'{at}{names.parts[name]}', f'{target}squeeze_excite/{name}'
    )
  return rules


def _timm_conv(source: str, target: str) -> list[Rule]:
  """Its kernel, and a gain with which our standardisation gives its own.

  timm divides a channel by sqrt(N (variance + eps)), where we, as DeepMind,
  divide by sqrt(max(N variance, 1e-4)).
  """

  def ratio(kernel: np.ndarray) -> np.ndarray:
    flat = kernel.astype(np.float64).reshape(len(kernel), -1)
    variance, fan_in = flat.var(1), flat.shape[1]
    ours = np.maximum(variance * fan_in, VARIANCE_FLOOR)
    return np.sqrt(ours / (fan_in * (variance + _TIMM_EPS)))

  def make(kernel: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, ...]:
    return kernel.transpose(2, 3, 1, 0), gain.reshape(-1) * ratio(kernel)

  def back(kernel: np.ndarray, gain: np.ndarray) -> tuple[np.ndarray, ...]:
    kernel = kernel.transpose(3, 2, 0, 1)
    return kernel, gain / ratio(kernel)

  return [
      Rule(f'{source}.weight', (f'{target}/kernel', f'{target}/gain'), make,
           beside=(f'{source}.gain',), back=back),
      same(f'{source}.bias', f'{target}/bias'),
  ]


def _timm_linear(source: str, target: str) -> list[Rule]:
  """A map that is a convolution of 1 x 1 there."""
  return [
      Rule(f'{source}.weight', (f'{target}/kernel',),
           lambda x: (x[:, :, 0, 0].T,)),
      same(f'{source}.bias', f'{target}/bias'),
  ]


_TIMM = _Names(
    stem='stem.conv{}', first_stem=1, final='final_conv',
    block=lambda number, stage, index: f'stages.{stage}.{index}.',
    parts={
        'conv0': 'conv1', 'conv1': 'conv2', 'conv1b': 'conv2b',
        'conv2': 'conv3', 'shortcut': 'downsample.conv',
        'squeeze': 'attn_last.fc1', 'excite': 'attn_last.fc2',
    },
    skip_gain='skipinit_gain', conv=_timm_conv, linear=_timm_linear,
)
_HAIKU = _Names(
    stem='NFNet/~/stem_conv{}', first_stem=0, final='NFNet/~/final_conv',
    block=lambda number, stage, index: (
        f'NFNet/~/nf_block{f"_{number}" if number else ""}/'
    ),
    parts={
        'conv0': '~/conv0', 'conv1': '~/conv1', 'conv1b': '~/conv1b',
        'conv2': '~/conv2', 'shortcut': '~/conv_shortcut',
        'squeeze': '~/squeeze_excite/~/linear',
        'excite': '~/squeeze_excite/~/linear_1',
    },
    skip_gain='skip_gain',
    conv=lambda source, target: [
        same(f'{source}/w', f'{target}/kernel'),
        same(f'{source}/gain', f'{target}/gain'),
        same(f'{source}/bias', f'{target}/bias'),
    ],
    linear=lambda source, target: [
        same(f'{source}/w', f'{target}/kernel'),
        same(f'{source}/b', f'{target}/bias'),
    ],
)

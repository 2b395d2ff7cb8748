# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Model FLOPs in closed form: what a step needs, however it is executed.

Counted are matrix products and convolutions, 2 FLOPs a multiplication, of what
the architecture defines. MFU is these over what the chips could do in the time
of a step; products that are computed again (rematerialisation) don't count.

A product with weights costs, per example, 2 x its weights x the vectors it is
applied to. Backward, the gradient of the input costs the same again and that
of the weights, where they are trained, once more:

  vision encoder                     1 x forward   (no gradient at all)
  resampler's map of the features    2 x           (no gradient of features)
  resampler, gated blocks            3 x
  frozen language model              2 x           (no gradient of weights)
  products of attention              3 x           (two inputs)

Attention counts every key, masked or not, as the paper's implementation does.
"""

from collections.abc import Mapping
import dataclasses

from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.nfnet import NFNETS, SQUEEZE_RATIO


@dataclasses.dataclass(frozen=True)
class Lengths:
  """Shape of one example of a dataset."""

  tokens: int
  media: int
  frames: int = 1


def vision_flops(variant: str, pixels: int) -> float:
  """One picture through the NFNet."""
  row = NFNETS[variant]
  total, side, channels = 0.0, pixels, 3

  def conv(kernel: int, inputs: int, outputs: int, stride: int = 1) -> float:
    nonlocal side
    side = -(-side // stride)
    # Taps on the padding of a border are no multiplications.
    taps = side * kernel - max(kernel - stride, 0)
    return 2.0 * taps**2 * inputs * outputs

  for i, width in enumerate(row.stem):
    stride = 2 if i in (0, len(row.stem) - 1) else 1
    total += conv(3, channels, width, stride)
    channels = width
  for stage, depth in enumerate(row.depths):
    width = row.widths[stage]
    middle = width // 2
    for block in range(depth):
      total += conv(1, channels, middle)
      stride = row.strides[stage] if block == 0 else 1
      group = middle // row.groups(middle)
      total += conv(3, group, middle, stride)
      total += conv(3, group, middle)
      total += conv(1, middle, width)
      if stride > 1 or channels != width:
        total += conv(1, channels, width)  # the shortcut, at the new size
      total += 2 * 2.0 * width * int(width * SQUEEZE_RATIO)
      channels = width
  return total + conv(1, channels, row.features)


def grid_positions(variant: str, pixels: int) -> int:
  """Features of one frame."""
  row = NFNETS[variant]
  side = pixels
  for stride in (2, 2, *row.strides):
    side = -(-side // stride)
  return side * side


def forward_flops(config: FlamingoConfig, lengths: Lengths) -> dict[str, float]:
  """Of one example, forward, by part; 'x' parts are the gated blocks'.

  Raises:
    UserError: the architecture is an ablation, whose FLOPs are not counted.
  """
  if (
      config.vision not in NFNETS or config.trained_towers
      or type(config) is not FlamingoConfig
  ):
    raise UserError(
        'FLOPs are counted of the architecture of the paper between frozen '
        'towers and not of its ablations: leave variant.overrides out, and give '
        'own_data.gin both VISION_ENCODER and LANGUAGE_MODEL'
    )
  decoder, resampler = config.decoder, config.resampler
  latents = lengths.media * resampler.latents
  seen = lengths.frames * grid_positions(config.vision, config.image_size)
  vision_width = NFNETS[config.vision].features
  width, inner = decoder.width, decoder.heads * decoder.head_size
  blocks = decoder.blocks
  r_width, r_inner = resampler.width, resampler.heads * resampler.head_size
  r_latents, r_keys = resampler.latents, seen + resampler.latents
  return {
      'vision': lengths.media * lengths.frames
      * vision_flops(config.vision, config.image_size),
      'features': lengths.media * 2.0 * seen * vision_width * r_width,
      'resampler': lengths.media * resampler.layers * 2.0 * (
          r_latents * (2 * r_width * r_inner + 8 * r_width**2)
          + r_keys * 2 * r_width * r_inner
      ),
      'resampler attention': lengths.media * resampler.layers
      * 2 * 2.0 * r_latents * r_keys * r_inner,
      'x': 2.0 * (
          latents * r_width * width
          + blocks * lengths.tokens * (2 * width * inner + 8 * width**2)
          + blocks * latents * 2 * width * inner
      ),
      'x attention': blocks * 2 * 2.0 * lengths.tokens * latents * inner,
      'language model': 2.0 * lengths.tokens * (
          decoder.layers * (4 * width * inner + 8 * width**2)
          + decoder.vocab * width
      ),
      # Content, positions, values.
      'language model attention': decoder.layers
      * 3 * 2.0 * lengths.tokens**2 * inner,
  }


_TRAIN = {
    'vision': 1, 'features': 2, 'resampler': 3, 'resampler attention': 3,
    'x': 3, 'x attention': 3, 'language model': 2,
    'language model attention': 3,
}


def train_flops(
    config: FlamingoConfig,
    lengths: Mapping[str, Lengths],
    batch_sizes: Mapping[str, int],
) -> float:
  """Of one update over all datasets."""
  return sum(
      size * _TRAIN[part] * flops
      for name, size in batch_sizes.items()
      for part, flops in forward_flops(config, lengths[name]).items()
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""NFNet vision encoder (Brock et al. 2021; Flamingo §2.1, B.1.3).

Normaliser-free residual network: variance is kept in check by scaled weight
standardisation and by dividing each block's input by its expected deviation.
Flamingo uses F6, pretrained contrastively and then frozen.
"""

from collections.abc import Mapping
import dataclasses
import functools
import math

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models.layer_stack import scan
from flamingo_jax.models.layers import (
    ACTIVATIONS,
    check_activation,
    parameter,
    partitioned,
)
from flamingo_jax.picture_size import Squaring
from flamingo_jax.sharding import constrain
from flamingo_jax.typing import IMAGE_MEAN, IMAGE_STD, Array, Float

ALPHA = 0.2  # scale of each residual branch
SQUEEZE_RATIO = 0.5  # hidden width of squeeze-and-excite
FINAL_MULTIPLIER = 2  # channels of the final convolution over the last stage's
VARIANCE_FLOOR = 1e-4  # of a channel's kernel, times its fan in


@dataclasses.dataclass(frozen=True)
class NFNetConfig:
  """A row of the NFNet paper's table 1, and what public weights differ in."""

  depths: tuple[int, ...]  # blocks per stage
  widths: tuple[int, ...] = (256, 512, 1536, 1536)
  strides: tuple[int, ...] = (1, 2, 2, 2)
  stem: tuple[int, ...] = (16, 32, 64, 128)
  group_width: int = 128
  activation: str = 'gelu'  # 'gelu_exact' in timm, 'gelu' by tanh elsewhere
  # Of pixels in [0, 1], by channel.
  pixel_mean: tuple[float, ...] = IMAGE_MEAN
  pixel_std: tuple[float, ...] = IMAGE_STD
  squaring: Squaring = Squaring()  # of pictures, before it sees them

  def __post_init__(self):
    check_activation(self.activation, 'vision')

  @property
  def features(self) -> int:
    """Channels of the grid of features."""
    return FINAL_MULTIPLIER * self.widths[-1]

  def groups(self, channels: int) -> int:
    """Of a grouped convolution; 1 where all are fewer than a group."""
    return max(1, channels // self.group_width)

  def side(self, image_size: int) -> int:
    """Features a side of pictures of this size."""
    return -(-image_size // (4 * math.prod(self.strides)))  # 4: of the stem


NFNETS: Mapping[str, NFNetConfig] = {
    'F0': NFNetConfig((1, 2, 6, 3)),
    'F1': NFNetConfig((2, 4, 12, 6)),
    'F2': NFNetConfig((3, 6, 18, 9)),
    'F3': NFNetConfig((4, 8, 24, 12)),
    'F4': NFNetConfig((5, 10, 30, 15)),
    'F5': NFNetConfig((6, 12, 36, 18)),
    'F6': NFNetConfig((7, 14, 42, 21)),
    'F7': NFNetConfig((8, 16, 48, 24)),
    # Ours, for 48 or 64 pixels on a CPU: stride 16, so 3 x 3 or 4 x 4 places.
    'tiny': NFNetConfig(
        depths=(1, 1, 1), widths=(64, 96, 128), strides=(1, 2, 2),
        stem=(16, 24, 32, 64),
    ),
    # Half as wide, to compare with (Flamingo table 3 vii).
    'micro': NFNetConfig(
        depths=(1, 1, 1), widths=(32, 48, 64), strides=(1, 2, 2),
        stem=(8, 12, 16, 32),
    ),
}


def scaled(activation: str, x: Float[Array, '...']) -> Float[Array, '...']:
  """GELU times the gain that keeps unit variance for unit normal inputs."""
  return ACTIVATIONS[activation](x) * 1.7015043497085571


class StandardizedConv(nn.Module):
  """Convolution whose kernel is standardised per output channel, then scaled."""

  channels: int
  size: int
  stride: int = 1
  groups: int = 1
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, 'N h w C']) -> Float[Array, 'N _ _ Cout']:
    shape = (self.size, self.size, x.shape[-1] // self.groups, self.channels)
    init = nn.initializers.variance_scaling(1.0, 'fan_in', 'normal')
    axes = ('conv_h', 'conv_w', 'conv_in', 'conv_out')
    kernel = parameter(self, 'kernel', init, axes, shape)
    per_channel = lambda name, value: parameter(
        self, name, nn.initializers.constant(value), ('conv_out',),
        (self.channels,),
    ).astype(jnp.float32)
    kernel = kernel.astype(jnp.float32)
    mean = jnp.mean(kernel, axis=(0, 1, 2))
    variance = jnp.var(kernel, axis=(0, 1, 2))
    fan_in = self.size * self.size * shape[2]
    scale = jax.lax.rsqrt(jnp.maximum(variance * fan_in, VARIANCE_FLOOR))
    kernel = (kernel - mean) * scale * per_channel('gain', 1.0)
    x = jax.lax.conv_general_dilated(
        x, kernel.astype(self.dtype), (self.stride, self.stride), 'SAME',
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=self.groups,
    )
    return x + per_channel('bias', 0.0).astype(self.dtype)


class SqueezeExcite(nn.Module):
  """Gates in (0, 1) per channel, from the picture's mean."""

  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, 'N h w C']) -> Float[Array, 'N 1 1 C']:
    channels = x.shape[-1]
    dense = lambda size, name: nn.Dense(
        size, dtype=self.dtype, name=name,
        kernel_init=partitioned(
            nn.initializers.variance_scaling(1.0, 'fan_in', 'normal'),
            'conv_in', 'conv_out',
        ),
        bias_init=partitioned(nn.initializers.zeros, 'conv_out'),
    )
    y = jnp.mean(x, axis=(1, 2))
    y = nn.relu(dense(int(channels * SQUEEZE_RATIO), 'squeeze')(y))
    return nn.sigmoid(dense(channels, 'excite')(y))[:, None, None]


class NFBlock(nn.Module):
  """Pre-activation bottleneck block with two grouped 3 x 3 convolutions."""

  channels: int
  stride: int
  groups: int
  activation: str
  dtype: str = 'float32'

  @nn.compact
  def __call__(
      self, x: Float[Array, 'N h w C'], beta: float | Float[Array, '']
  ) -> tuple[Float[Array, 'N _ _ Cout'], None]:
    """Adds to x what the block makes of it; None is for the scan.

    beta is 1 / expected deviation of the grid.
    """
    conv = lambda name, channels, size, **kwargs: StandardizedConv(
        channels, size, dtype=self.dtype, name=name, **kwargs
    )
    act = functools.partial(scaled, self.activation)
    middle = self.channels // 2
    y = act(x) * jnp.asarray(beta, self.dtype)
    shortcut = x
    if self.stride > 1:
      window = (self.stride, self.stride)
      shortcut = nn.avg_pool(
          y, window, window, 'SAME', count_include_pad=False
      ).astype(self.dtype)
    elif x.shape[-1] != self.channels:
      shortcut = y
    if self.stride > 1 or x.shape[-1] != self.channels:
      shortcut = conv('shortcut', self.channels, 1)(shortcut)
    y = conv('conv0', middle, 1)(y)
    y = conv('conv1', middle, 3, stride=self.stride, groups=self.groups)(
        act(y)
    )
    y = conv('conv1b', middle, 3, groups=self.groups)(act(y))
    y = conv('conv2', self.channels, 1)(act(y))
    y = 2 * SqueezeExcite(self.dtype, name='squeeze_excite')(y) * y
    skip_gain = parameter(self, 'skip_gain', nn.initializers.zeros, (), ())
    y = y * (ALPHA * skip_gain).astype(self.dtype) + shortcut
    return constrain(y, 'media', None, None, None), None


def deviation(blocks: int) -> float:
  """Expected deviation of the grid after so many blocks of a stage."""
  return (1 + blocks * ALPHA**2) ** 0.5


class NFNet(nn.Module):
  """Pictures to a grid of features: the activated final convolution.

  No pooling and no position embedding (Flamingo §2.1). In inference mode:
  neither stochastic depth nor dropout.
  """

  config: NFNetConfig
  dtype: str = 'float32'

  @property
  def features(self) -> int:
    """Channels of the grid."""
    return self.config.features

  @nn.compact
  def __call__(self, x: Float[Array, 'N h w 3']) -> Float[Array, 'N _ _ Dv']:
    cfg = self.config
    act = functools.partial(scaled, cfg.activation)
    x = x.astype(self.dtype)
    for i, channels in enumerate(cfg.stem):
      stride = 2 if i in (0, len(cfg.stem) - 1) else 1
      x = StandardizedConv(
          channels, 3, stride, dtype=self.dtype, name=f'stem_conv{i}'
      )(x if i == 0 else act(x))
    for stage, depth in enumerate(cfg.depths):
      width = cfg.widths[stage]
      block = lambda module, stride, name: module(
          width, stride, cfg.groups(width // 2), cfg.activation, self.dtype,
          name=f'stage{stage}_{name}',
      )
      # The first block of a stage restarts the variance: its shortcut is a
      # standardised convolution of a normalised input.
      previous = cfg.depths[stage - 1] if stage else 0
      x, _ = block(NFBlock, cfg.strides[stage], 'block0')(
          x, 1 / deviation(previous)
      )
      if depth > 1:
        betas = [1 / deviation(i) for i in range(1, depth)]
        # Compiled once, not for each of F6's 80: a quarter of an hour for a TPU.
        x, _ = block(scan(self, NFBlock, depth - 1, 'layers', 0), 1, 'blocks')(
            x, jnp.array(betas, jnp.float32)
        )
    x = StandardizedConv(cfg.features, 1, dtype=self.dtype, name='final_conv')(x)
    return act(x)

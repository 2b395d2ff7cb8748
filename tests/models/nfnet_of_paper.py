# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""An NFNet in NumPy and float64, from the paper alone (Brock et al. 2021).

A loop over blocks and places, which keeps the expected deviation as it goes.
"""

import numpy as np


def gelu(x):
  """The approximation by tanh, times what gives unit variance."""
  inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
  return 1.7015043497085571 * 0.5 * x * (1 + np.tanh(inner))


def windows(x, size, stride):
  """(rows, columns) of each window of 'SAME' padding, cut at the edges.

  Yields (row, column, pixels, the part of the kernel that lies inside).
  """
  sides = [-(-n // stride) for n in x.shape[1:3]]
  starts = [
      -(max((side - 1) * stride + size - n, 0) // 2)
      for side, n in zip(sides, x.shape[1:3])
  ]
  inside = lambda start, n: slice(max(start, 0), min(start + size, n))
  for row in range(sides[0]):
    for column in range(sides[1]):
      top, left = starts[0] + row * stride, starts[1] + column * stride
      rows, columns = inside(top, x.shape[1]), inside(left, x.shape[2])
      yield row, column, x[:, rows, columns], (
          slice(rows.start - top, rows.stop - top),
          slice(columns.start - left, columns.stop - left),
      )


def convolve(p, x, stride=1):
  """With scaled weight standardisation; groups are told by the kernel."""
  kernel = np.asarray(p['kernel'], np.float64)
  size, _, per_group, channels = kernel.shape
  fan_in = size * size * per_group
  flat = kernel.reshape(fan_in, channels)
  flat = (flat - flat.mean(0)) / np.sqrt(np.maximum(flat.var(0) * fan_in, 1e-4))
  kernel = (flat * p['gain']).reshape(kernel.shape)
  groups = x.shape[-1] // per_group
  out = np.zeros((len(x), *(-(-n // stride) for n in x.shape[1:3]), channels))
  for row, column, pixels, part in windows(x, size, stride):
    for g in range(groups):
      own = slice(g * channels // groups, (g + 1) * channels // groups)
      out[:, row, column, own] = np.einsum(
          'nhwc,hwco->no', pixels[..., g * per_group:(g + 1) * per_group],
          kernel[part][..., own],
      )
  return out + p['bias']


def average(x):
  """Of windows of 2 x 2, over the pixels that there are."""
  out = np.zeros((len(x), *(-(-n // 2) for n in x.shape[1:3]), x.shape[-1]))
  for row, column, pixels, _ in windows(x, 2, 2):
    out[:, row, column] = pixels.mean((1, 2))
  return out


def squeeze_excite(p, x):
  """x times gates from its mean over all places, twice."""
  dense = lambda p, y: y @ p['kernel'] + p['bias']
  y = np.maximum(dense(p['squeeze'], x.mean((1, 2))), 0)
  gates = 1 / (1 + np.exp(-dense(p['excite'], y)))
  return 2 * gates[:, None, None] * x


def block(p, x, stride, deviation):
  """One block; `deviation` is the one expected of x."""
  start = gelu(x) / deviation
  shortcut = x
  if 'shortcut' in p:
    shortcut = convolve(p['shortcut'], average(start) if stride == 2 else start)
  y = convolve(p['conv0'], start)
  y = convolve(p['conv1'], gelu(y), stride)
  y = convolve(p['conv1b'], gelu(y))
  y = convolve(p['conv2'], gelu(y))
  return 0.2 * p['skip_gain'] * squeeze_excite(p['squeeze_excite'], y) + shortcut


def take(tree, index):
  """The weights of one of the blocks that are stacked."""
  if isinstance(tree, dict):
    return {name: take(child, index) for name, child in tree.items()}
  return tree[index]


def grid(params, x, depths, strides):
  """The activated last convolution, from pixels."""
  x = np.asarray(x, np.float64)
  for i, stride in enumerate((2, 1, 1, 2)):
    x = convolve(params[f'stem_conv{i}'], gelu(x) if i else x, stride)
  deviation = 1.0
  for stage, (depth, stride) in enumerate(zip(depths, strides)):
    for i in range(depth):
      p = (
          take(params[f'stage{stage}_blocks'], i - 1) if i
          else params[f'stage{stage}_block0']
      )
      x = block(p, x, 1 if i else stride, deviation)
      if i == 0:  # all blocks of a stage add to what its first one began
        deviation = 1.0
      deviation = np.sqrt(deviation**2 + 0.2**2)
  return gelu(convolve(params['final_conv'], x))

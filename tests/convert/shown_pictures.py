# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of many shapes, for models that read them in tiles."""

import numpy as np

_SHAPES = ((10, 30), (30, 10), (24, 24), (5, 5), (40, 13), (12, 47), (9, 14))


def shown(row, column):
  """uint8[h w 3] of a prompt's picture."""
  number = 3 * row + column
  shape = _SHAPES[number % len(_SHAPES)]
  rng = np.random.default_rng(number)
  return rng.integers(0, 256, (*shape, 3), np.uint8)


def cut(photographs):
  """{name: uint8[h w 3]} of each photograph whole, in strips, and a corner."""
  found = {}
  for name, pixels in photographs.items():
    height, width = pixels.shape[:2]
    found |= {
        name: pixels, f'{name}, wide': pixels[: height // 4],
        f'{name}, high': pixels[:, : width // 3],
        f'{name}, small': pixels[:13, :9],
        f'{name}, thin': pixels[: height // 12],
    }
  return found

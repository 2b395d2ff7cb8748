# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a picture of any shape to tiles, as Llama 3.2 Vision reads them.

Of the canvases of a few tiles it takes the one that the picture fills best, fits
the picture into its upper left corner without enlarging it beyond a tile, and cuts
the canvas up. `models/tiled_vit.py` says in which places the tiles lie.
"""

import math

import numpy as np
import PIL.Image

from flamingo_jax.data.squares import FILTERS, Change
from flamingo_jax.picture_size import PictureSize


def fill_tiles(
    picture: np.ndarray, size: PictureSize, out: np.ndarray, *change: Change
) -> np.ndarray:
  """Writes the tiles of uint8[h w 3]; returns in which places of `out` they are.

  Args:
    picture: of any shape.
    size: a side of a tile, and how pictures become tiles.
    out: uint8[places size size 3]; black where nothing is.
    change: writes the picture, when it has its size, to its part of the canvas.
  """
  height, width = picture.shape[:2]
  rows, columns = _layout(height, width, int(size), size.squaring.tiles)
  height, width = _fitted(height, width, rows * size, columns * size, int(size))
  resized = np.asarray(PIL.Image.fromarray(picture).resize(
      (width, height), FILTERS[size.squaring.filter]
  ))
  canvas = np.zeros((rows * size, columns * size, 3), np.uint8)
  part = canvas[:height, :width]
  part[...] = resized
  for write in change:
    write(resized, part)
  tiles = canvas.reshape(rows, size, columns, size, 3).swapaxes(1, 2)
  places = [
      row * columns + column + (row > 0)
      for row in range(rows) for column in range(columns)
  ]
  out[...] = 0
  out[places] = tiles.reshape(-1, *out.shape[1:])
  mask = np.zeros(len(out), bool)
  mask[places] = True
  return mask


def _layout(height: int, width: int, size: int, tiles: int) -> tuple[int, int]:
  """Rows and columns of tiles: of those that enlarge it the ones that do so the
  least, else those that shrink it the least; of several the fewest tiles.
  """
  scales = {
      (rows, columns): min(rows * size / height, columns * size / width)
      for rows in range(1, tiles + 1) for columns in range(1, tiles + 1)
      if rows * columns <= tiles
  }
  enlarging = [scale for scale in scales.values() if scale >= 1]
  best = min(enlarging) if enlarging else max(scales.values())
  return min(
      (place for place, scale in scales.items() if scale == best), key=math.prod
  )


def _fitted(
    height: int, width: int, high: int, wide: int, size: int
) -> tuple[int, int]:
  """Height and width on a canvas: of a small picture the longer side is a tile's.
  """
  wanted = min(max(height, size), high), min(max(width, size), wide)
  scales = wanted[0] / height, wanted[1] / width
  if scales[1] < scales[0]:
    return min(math.floor(height * scales[1]) or 1, wanted[0]), wanted[1]
  return wanted[0], min(math.floor(width * scales[0]) or 1, wanted[1])

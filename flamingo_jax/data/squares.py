# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From pictures of any shape to the squares that an encoder reads.

Those of Flamingo's own encoders are fitted and padded, by FFmpeg. Public encoders
were trained on squares that Pillow had made, each in its way, and get the same.
"""

from collections.abc import Callable
import functools

import numpy as np
import PIL.Image

from flamingo_jax.data import moving
from flamingo_jax.data import scaling
from flamingo_jax.picture_size import PictureSize
from flamingo_jax.typing import IMAGE_MEAN

_PAD_COLOR = tuple(round(255 * mean) for mean in IMAGE_MEAN)
FILTERS = {
    'bilinear': PIL.Image.Resampling.BILINEAR,
    'bicubic': PIL.Image.Resampling.BICUBIC,
}

Change = Callable[[np.ndarray, np.ndarray], None]


def _keep(picture: np.ndarray, out: np.ndarray) -> None:
  out[...] = picture


def make_square(
    picture: np.ndarray,
    size: int,
    out: np.ndarray | None = None,
    change: Change = _keep,
) -> np.ndarray:
  """uint8[h w 3] to uint8[size size 3], as a `PictureSize` says.

  Args:
    picture: of any shape.
    size: a side.
    out: where the square is written; None for a new array.
    change: writes the picture, when it has its size, to its part of `out`.

  Raises:
    UserError: a side is longer than FFmpeg can read, some two million pixels.
  """
  if out is None:
    out = np.empty((size, size, 3), np.uint8)
  squaring = PictureSize(size).squaring
  if squaring.way == 'padded':
    _fit_and_pad(picture, int(size), out, change)
  else:
    change(_resized(picture, PictureSize(size)), out)
  return out


def draft_size(size: int) -> int | None:
  """As which size a JPEG may be decoded that becomes such a square."""
  return int(size) if PictureSize(size).squaring.way == 'padded' else None


def frame_fit(size: int) -> moving.Fit:
  """How large a frame of a video is made while its colours are converted."""
  if PictureSize(size).squaring.way == 'padded':
    return functools.partial(_fitted, size=int(size))
  return moving.keep_size


def _resized(picture: np.ndarray, size: PictureSize) -> np.ndarray:
  """A square as transformers' processors make it, by Pillow."""
  squaring = size.squaring
  height, width = picture.shape[:2]
  new = [squaring.shorter or size] * 2
  if squaring.way == 'cropped':
    shorter = min(width, height)
    new = tuple(squaring.shorter * n // shorter for n in (width, height))
  box = []  # left, top, right, bottom of what is not cut off, in the picture
  starts = [
      round((n - size) / 2) if squaring.rounds else (n - size) // 2
      for n in new
  ]
  for places in (starts, [start + size for start in starts]):
    box += [
        min(at * old / n, old)
        for at, old, n in zip(places, (width, height), new)
    ]
  image = PIL.Image.fromarray(picture).resize(
      (size, size), FILTERS[squaring.filter], box
  )
  return np.asarray(image)


def _fit_and_pad(
    picture: np.ndarray, size: int, out: np.ndarray, change: Change
) -> None:
  """Without distortion (Flamingo B.1.2).

  The longer side becomes `size` (bicubic, antialiased); the rest is filled with
  the mean colour of images, equally on both sides.
  """
  height, width = picture.shape[:2]
  width, height = _fitted(width, height, size)
  left, top = (size - width) // 2, (size - height) // 2
  filled = _filled(size)
  if height < size:
    out[:top], out[top + height :] = filled[:top], filled[top + height :]
  if width < size:
    out[:, :left] = filled[:, :left]
    out[:, left + width :] = filled[:, left + width :]
  change(
      scaling.scale(picture, width, height),
      out[top : top + height, left : left + width],
  )


def _fitted(width: int, height: int, size: int) -> tuple[int, int]:
  """Width and height of a picture whose longer side becomes `size`."""
  scale = size / max(width, height)
  return max(1, round(width * scale)), max(1, round(height * scale))


@functools.cache
def _filled(size: int) -> np.ndarray:
  """A square of the padding's colour; to copy it is faster than to fill."""
  return np.full((size, size, 3), _PAD_COLOR, np.uint8)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and frames of videos to another size (Flamingo B.1.2).

FFmpeg's scaler does both: bicubic, antialiased, and on photographs as near to
exact arithmetic as Pillow's, in half of its time or less. Colours are scaled in
planes of their own, as FFmpeg writes pixels of three bytes several times as
slowly; the planes become pixels in a second step, which only copies.
"""

import functools
import threading

import av
from av.video import reformatter
import numpy as np

_HOW = (
    reformatter.Interpolation.BICUBIC
    # Else two neighbours share a colour, of what is read and what is written.
    | reformatter.Interpolation.FULL_CHR_H_INP
    | reformatter.Interpolation.FULL_CHR_H_INT
    | reformatter.Interpolation.ACCURATE_RND
    | reformatter.Interpolation.BITEXACT  # the same on every processor
)
_KEPT = 512  # scalers of one size and one thread, 0.2 MB each


def scale(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
  """uint8[h w 3] to uint8[height width 3]; itself if it has this size."""
  if pixels.shape[:2] == (height, width):
    return pixels
  frame = av.VideoFrame.from_numpy_buffer(
      np.ascontiguousarray(pixels), format='rgb24'
  )
  return scale_frame(frame, width, height)


def scale_frame(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
  """A frame of any format to uint8[height width 3], RGB."""
  planes = _scaler(
      threading.get_ident(), frame.format.name, frame.width, frame.height,
      width, height,
  ).reformat(frame, width, height, 'gbrp', interpolation=_HOW, threads=1)
  return reformatter.VideoReformatter().reformat(
      planes, format='rgb24', interpolation=_HOW, threads=1
  ).to_ndarray()


@functools.lru_cache(_KEPT)
def _scaler(*use: object) -> reformatter.VideoReformatter:
  """That of a thread and sizes; to begin with others takes it a half ms."""
  del use
  return reformatter.VideoReformatter()

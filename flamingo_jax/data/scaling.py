# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and frames of videos to another size (Flamingo B.1.2).

FFmpeg's scaler does both: bicubic, antialiased, in half of the time that Pillow
takes, and as near to exact arithmetic from sizes that are not much larger. (Where
data is prepared, pictures shrink to a fraction; there Pillow's is nearer.) Colours
are scaled in planes of their own, as FFmpeg is several times as slow to write
pixels of three bytes; a second step, which only copies, makes these.
"""

import collections
import functools

import av
from av.video import reformatter
import numpy as np

from flamingo_jax.errors import UserError

_HOW = (
    reformatter.Interpolation.BICUBIC
    # Else two neighbours share a colour, of what is read and what is written.
    | reformatter.Interpolation.FULL_CHR_H_INP
    | reformatter.Interpolation.FULL_CHR_H_INT
    | reformatter.Interpolation.ACCURATE_RND
    | reformatter.Interpolation.BITEXACT  # the same on every processor
)
_SIZES = 512  # of which scalers are kept, 0.2 MB each


def scale(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
  """uint8[h w 3] to uint8[height width 3]; itself if it has this size.

  Raises:
    UserError: a side is longer than FFmpeg can read, some two million pixels.
  """
  if pixels.shape[:2] == (height, width):
    return pixels
  frame = av.VideoFrame.from_numpy_buffer(
      np.ascontiguousarray(pixels), format='rgb24'
  )
  try:
    return scale_frame(frame, width, height)
  except av.error.FFmpegError:
    raise UserError(
        f'FFmpeg cannot scale {frame.width} x {frame.height} pixels; cut the '
        'picture into shorter pieces'
    ) from None


def scale_frame(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
  """A frame of any format to uint8[height width 3], RGB.

  Raises:
    av.error.FFmpegError: it cannot be scaled.
  """
  idle = _idle(frame.format.name, frame.width, frame.height, width, height)
  try:
    scaler = idle.pop()
  except IndexError:
    scaler = reformatter.VideoReformatter()
  planes = scaler.reformat(
      frame, width, height, 'gbrp', interpolation=_HOW,
      threads=1,  # as many pictures are scaled at once as there are cores
  )
  idle.append(scaler)
  return reformatter.VideoReformatter().reformat(
      planes, format='rgb24', interpolation=_HOW, threads=1
  ).to_ndarray()


@functools.lru_cache(_SIZES)
def _idle(*use: object) -> collections.deque[reformatter.VideoReformatter]:
  """Scalers of these sizes that no thread uses; a new one takes 0.2 ms."""
  del use
  return collections.deque()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Videos as they are stored: a JPEG for each second."""

import collections
from collections.abc import Iterator
from fractions import Fraction
import io
from typing import Any

import av
import numpy as np
import PIL.Image

from flamingo_jax.data import moving
from flamingo_jax.data import video as video_reader
from flamingo_jax.data.pictures import MediumError

_CLOCK = 1000  # ticks per second of stored videos
_LONGEST = 300  # seconds that are kept
_MAX_PIXELS = 36_000_000  # of a frame: 8K
_CUT = 1.0  # seconds that may be missing: headers are not exact
_SLOW = 1.05  # frames per second up to which all are kept


def fit(data: bytes, name: str, limit: int, quality: int) -> bytes:
  """An encoded video of the frames on screen at each whole second.

  The bytes stay what they are if no side is longer than `limit`, and frames
  come no more often than every second. Read is what FFmpeg does, or an animated
  GIF, PNG, WebP or AVIF.

  Raises:
    MediumError: it is no video, is corrupt, or its codec or size is beyond us.
  """
  with moving.opened(io.BytesIO(data), name) as video:
    width, height = video.size
    if width * height > _MAX_PIXELS:
      raise MediumError('has too many pixels', f'{name}: {width}x{height}')
    times = video_reader.whole_seconds(video.seconds, _LONGEST)
    begins: list[float] = []
    frames = _noted(video.timed(), begins)
    chosen = list(moving.each_once(
        lambda frame: _shrink(video.picture(frame, scale=_scale), limit),
        moving.at_times(frames, times),
    ))
    collections.deque(frames, maxlen=0)  # to the end, for the rate
    _check_whole(video, begins, name)
  if not chosen:
    raise MediumError('has no frame', f'{name} holds no frame')
  if max(width, height) <= limit and _rate(video, begins) <= _SLOW:
    return data
  return _encode(chosen, quality)


def _noted(
    timed: Iterator[tuple[float, Any]], begins: list[float]
) -> Iterator[tuple[float, Any]]:
  """The frames that can be kept; when each begins is added to a list."""
  for second, frame in timed:
    begins.append(second)
    if second > _LONGEST:
      return
    yield second, frame


def _rate(video: moving.Film | moving.Animation, begins: list[float]) -> float:
  if isinstance(video, moving.Animation):
    return video.rate
  return (len(begins) - 1) / begins[-1] if begins[-1] else 0.0


def _check_whole(
    video: moving.Film | moving.Animation, begins: list[float], name: str
) -> None:
  """Whether all frames came that the header counts; a still end may be long."""
  end = begins[-1] if begins else 0.0
  missing = video.count - len(begins)
  if missing > 0 and end < min(video.seconds, _LONGEST) - _CUT:
    raise MediumError(
        'is corrupt',
        f'{name} ends at second {end:.1f} of {video.seconds:.1f}, and {missing}'
        ' frames are missing',
    )


def _scale(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
  """Pillow's, which is nearer where pictures shrink to a fraction."""
  picture = frame.to_image()
  if picture.size != (width, height):
    picture = picture.resize((width, height), PIL.Image.Resampling.BICUBIC)
  return np.asarray(picture)


def _shrink(pixels: np.ndarray, limit: int) -> PIL.Image.Image:
  """Both sides even, as chroma of half the size wants them."""
  picture = PIL.Image.fromarray(pixels)
  scale = min(1.0, limit / max(picture.size))
  size = tuple(max(2, 2 * round(scale * side / 2)) for side in picture.size)
  return picture.resize(size, PIL.Image.Resampling.BICUBIC)


def _encode(chosen: list[PIL.Image.Image], quality: int) -> bytes:
  """An MP4 of JPEGs, one a second: each is decoded without the others."""
  width, height = chosen[0].size
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('mjpeg', rate=1)
    stream.width, stream.height = width, height
    stream.pix_fmt = 'yuvj420p'
    stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
    # FFmpeg's scale from 2, the best, to 31.
    scale = str(max(2, round((100 - quality) / 4)))
    stream.options = {'qmin': scale, 'qmax': scale, 'threads': '1'}
    for second, picture in enumerate(chosen):
      frame = av.VideoFrame.from_image(picture.resize((width, height)))
      frame.pts, frame.time_base = second * _CLOCK, Fraction(1, _CLOCK)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return buffer.getvalue()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Videos as they are stored: a JPEG for each second, timestamps kept."""

from fractions import Fraction
import io
from typing import Any

import av
import PIL.Image

from flamingo_jax.prepare.source import Dropped

_CLOCK = 1000  # ticks per second of stored videos
_LONGEST = 300  # seconds that are kept
_MAX_PIXELS = 36_000_000  # of a frame: 8K
_SLOW = 1.05  # frames per second up to which all are kept

Timed = list[tuple[float, PIL.Image.Image]]  # second, frame


def fit(data: bytes, name: str, limit: int, quality: int) -> bytes:
  """An encoded video with one frame per second.

  The bytes stay what they are if no side is longer than `limit`, and frames
  come no more often than every second. Read is what FFmpeg does, or an animated
  GIF, PNG or WebP.

  Raises:
    Dropped: it is no video, is corrupt, or its codec or size is beyond us.
  """
  try:
    read = _animation if _is_animation(data) else _frames
    timed, rate, side = read(data, name, limit)
  except Dropped:
    raise
  except Exception as error:  # decoders of broken data raise anything
    raise Dropped('video is corrupt', f'{name}: {error}') from None
  if not timed:
    raise Dropped('video has no frame', name)
  if side <= limit and rate <= _SLOW:
    return data
  return _encode(timed, quality)


def _is_animation(data: bytes) -> bool:
  return data.startswith((b'GIF8', b'\x89PNG')) or data[8:12] == b'WEBP'


def _frames(
    data: bytes, name: str, limit: int
) -> tuple[Timed, float, int]:
  """Frames of about every second, made small; the original's rate and side."""
  chosen, count, last, origin = [], 0, 0.0, None
  with av.open(io.BytesIO(data)) as container:
    if not container.streams.video:
      raise Dropped('video has no frame', f'{name} is sound alone')
    stream = container.streams.video[0]
    if stream.codec_context is None:
      raise Dropped(
          'video has a codec that cannot be read',
          f'{name}; export it again, for example as MP4',
      )
    stream.thread_type = 'NONE'  # processes are the workers
    if stream.width * stream.height > _MAX_PIXELS:
      raise Dropped(
          'video has too many pixels', f'{name}: {stream.width}x{stream.height}'
      )
    for frame in container.decode(stream):
      if frame.time is None:
        continue
      origin = frame.time if origin is None else origin
      last, count = frame.time - origin, count + 1
      if last > _LONGEST:
        break
      # The frame that is shown when the next second begins.
      if not chosen or last >= chosen[-1][0] + 1 - 0.5 / _rate(stream):
        upright = frame.to_image().rotate(frame.rotation, expand=True)
        chosen.append((last, _shrink(upright, limit)))
    side = max(stream.width, stream.height)
  return chosen, (count - 1) / last if last else 0.0, side


def _rate(stream: Any) -> float:
  return float(stream.average_rate or 0) or 25.0


def _shrink(picture: PIL.Image.Image, limit: int) -> PIL.Image.Image:
  """Both sides even, as chroma of half the size wants them."""
  scale = min(1.0, limit / max(picture.size))
  size = tuple(max(2, 2 * round(scale * side / 2)) for side in picture.size)
  return picture.resize(size, PIL.Image.Resampling.BICUBIC)


def _animation(
    data: bytes, name: str, limit: int
) -> tuple[Timed, float, int]:
  """What `_frames` returns."""
  chosen, time, count = [], 0.0, 0
  picture = PIL.Image.open(io.BytesIO(data))
  if picture.width * picture.height > _MAX_PIXELS:
    raise Dropped('video has too many pixels', f'{name}: {picture.size}')
  for index in range(getattr(picture, 'n_frames', 1)):
    picture.seek(index)
    picture.load()
    if not chosen or time >= chosen[-1][0] + 1 - 1e-3:
      chosen.append((time, _shrink(picture.convert('RGB'), limit)))
    count += 1
    time += (picture.info.get('duration') or 100) / 1000
    if time > _LONGEST:
      break
  return chosen, count / time, max(picture.size)


def _encode(timed: Timed, quality: int) -> bytes:
  """An MP4 of JPEGs: each is decoded without the others."""
  width, height = timed[0][1].size
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('mjpeg', rate=1)
    stream.width, stream.height = width, height
    stream.pix_fmt = 'yuvj420p'
    stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
    # FFmpeg's scale from 2, the best, to 31.
    scale = str(max(2, round((100 - quality) / 4)))
    stream.options = {'qmin': scale, 'qmax': scale, 'threads': '1'}
    for time, picture in timed:
      frame = av.VideoFrame.from_image(picture.resize((width, height)))
      frame.pts, frame.time_base = round(_CLOCK * time), Fraction(1, _CLOCK)
      container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
  return buffer.getvalue()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Clips of videos at a fixed frame rate (Flamingo §3.2.2 of v1, B.1.2)."""

import io
from typing import Iterable, Iterator

import numpy as np
import PIL.Image
import PIL.ImageSequence

from flamingo_jax.errors import UserError

# Timestamps are fractions of a second that rarely hit whole ones.
_TOLERANCE = 1e-3


def clip_times(
    duration: float, frames: int, rng: np.random.Generator | None, fps: float
) -> np.ndarray:
  """Seconds f64[T'] of up to `frames` frames, `fps` apart, within a video.

  With `rng` the clip starts anywhere that leaves it whole, else at 0. A video
  shorter than the clip gives fewer frames, at least one.
  """
  latest = max(0.0, duration - frames / fps)
  start = 0.0 if rng is None else rng.uniform(0, latest)
  times = start + np.arange(frames) / fps
  return times[: max(1, int(np.sum(times < duration - _TOLERANCE)))]


def array_clip(
    video: np.ndarray, frames: int, rng: np.random.Generator | None, fps: float
) -> list[np.ndarray]:
  """A clip of uint8[T h w 3], whose frames are one second apart."""
  times = clip_times(float(len(video)), frames, rng, fps)
  return [video[int(time + _TOLERANCE)] for time in times]


def decode_clip(
    data: bytes,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
) -> list[np.ndarray]:
  """Up to `frames` upright pictures uint8[h w 3] of an encoded video.

  Args:
    data: the encoded file: anything FFmpeg reads, or an animated GIF, WebP, PNG.
    name: what messages call it.
    frames: how many at most.
    rng: draws the start of the clip; None starts at the beginning.
    fps: frames per second of the clip, not of the video.

  Raises:
    UserError: empty, not a video, or no frame can be decoded.
  """
  if not data:
    raise UserError(f'{name} is empty (0 bytes); copy or export it again')
  if _is_animated_image(data):
    return _decode_animation(data, name, frames, rng, fps)
  av = _import_av(name)
  try:
    with av.open(io.BytesIO(data)) as container:
      stream = _video_stream(container, name)
      duration = _duration(container, stream)
      times = clip_times(duration, frames, rng, fps)
      origin = float((stream.start_time or 0) * stream.time_base)
      if times[0] > 0:
        offset = int((times[0] + origin) / stream.time_base)
        container.seek(offset, stream=stream)  # to the key frame before it
      timed = ((f.time - origin, f) for f in container.decode(stream)
               if f.time is not None)
      clip = [_upright(frame) for frame in _at_times(timed, times)]
  except av.error.FFmpegError as error:
    raise UserError(
        f'{name} cannot be decoded as a video ({error.strerror}); export it'
        ' again, for example as MP4'
    ) from None
  if not clip:
    raise UserError(
        f'{name} holds no frame that can be decoded; export it again'
    )
  return clip


def check_video(data: bytes, name: str) -> None:
  """Reads as far as the first frame; raises what decode_clip would."""
  decode_clip(data, name, 1, None, 1.0)


def _import_av(name: str):
  try:
    import av  # a large library that only videos need
  except ImportError:
    raise UserError(
        f'{name} is a video, and reading videos needs PyAV; install it with'
        ' `pip install av`'
    ) from None
  return av


def _video_stream(container, name: str):
  if not container.streams.video:
    raise UserError(f'{name} has no video stream; is it an audio file?')
  return container.streams.video[0]


def _duration(container, stream) -> float:
  """Seconds; without a header that tells, endless: reading finds the end."""
  if stream.duration is not None:
    return float(stream.duration * stream.time_base)
  if container.duration is not None:
    return container.duration / 1e6
  return 0.0


def _upright(frame) -> np.ndarray:
  """Phones store videos lying down, with a rotation in quarter turns."""
  pixels = frame.to_ndarray(format='rgb24')
  return np.rot90(pixels, round(frame.rotation / 90)) if frame.rotation else (
      pixels
  )


def _at_times(
    timed: Iterable[tuple[float, object]], times: np.ndarray
) -> Iterator[object]:
  """Yields the frame on screen at each of the rising times.

  A frame stays on screen until the next one, so it is the last one that began
  no later; before the first frame it is the first.
  """
  shown, wanted = None, 0
  for begins, frame in timed:
    while wanted < len(times) and shown is not None and (
        begins > times[wanted] + _TOLERANCE
    ):
      yield shown
      wanted += 1
    if wanted == len(times):
      return
    shown = frame
  if shown is not None:
    for _ in range(wanted, len(times)):
      yield shown


def _is_animated_image(data: bytes) -> bool:
  is_riff_webp = data[:4] == b'RIFF' and data[8:12] == b'WEBP'
  return is_riff_webp or data[:4] in (b'GIF8', b'\x89PNG')


def _decode_animation(
    data: bytes,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
) -> list[np.ndarray]:
  try:
    picture = PIL.Image.open(io.BytesIO(data))
    begins, clock = [], 0.0
    pictures = []
    for frame in PIL.ImageSequence.Iterator(picture):
      pictures.append(frame.convert('RGBA'))
      begins.append(clock)
      # Browsers show frames that claim no time for a tenth of a second.
      clock += (frame.info.get('duration') or 100) / 1000
  except Exception as error:  # decoders of broken data raise anything
    raise UserError(
        f'{name} is corrupt or cut short ({error}); copy or export it again'
    ) from None
  times = clip_times(clock, frames, rng, fps)
  clip = []
  for frame in _at_times(zip(begins, pictures), times):
    white = PIL.Image.new('RGBA', frame.size, 'white')
    composed = PIL.Image.alpha_composite(white, frame)
    clip.append(np.asarray(composed.convert('RGB')))
  return clip

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of videos at a fixed rate (Flamingo §3.2.2 of v1, B.1.2)."""

import dataclasses
import io

import av
import numpy as np

from flamingo_jax.data import moving
from flamingo_jax.data.moving import TOLERANCE
from flamingo_jax.data.pictures import MediumError
from flamingo_jax.errors import UserError

_CUT = 1.0  # seconds that may be missing: headers are not exact
_NEARLY = 0.99  # of a rate: 29.97 is as good as 30


def clip_times(
    duration: float, frames: int, rng: np.random.Generator | None, fps: float
) -> np.ndarray:
  """Seconds f64[T'] of up to `frames` frames within a video.

  With `rng` (training) they are `fps` a second and begin anywhere that leaves
  the clip whole. Without (evaluation) they begin at 0 and are `fps` a second
  too, unless the video is longer than frames / fps seconds: then they cover it
  evenly, all of it. A video that is shorter gives fewer frames, at least one.
  """
  latest = max(0.0, duration - frames / fps)
  if rng is None and latest:
    return np.arange(frames) * (duration / frames)
  start = 0.0 if rng is None else rng.uniform(0, latest)
  times = start + np.arange(frames) / fps
  return _within(times, duration)


def whole_seconds(duration: float, latest: int) -> np.ndarray:
  """The seconds 0, 1, 2 ... of a video, at least one, `latest` the last."""
  return _within(np.arange(latest + 1.0), duration)


def _within(times: np.ndarray, duration: float) -> np.ndarray:
  return times[: max(1, int(np.sum(times < duration - TOLERANCE)))]


def array_clip(
    video: np.ndarray, frames: int, rng: np.random.Generator | None, fps: float
) -> list[np.ndarray]:
  """A clip of uint8[T h w 3], whose frames are one second apart.

  At more than one frame per second each comes several times.
  """
  times = clip_times(float(len(video)), frames, rng, fps)
  last = len(video) - 1
  return [video[min(int(time + TOLERANCE), last)] for time in times]


def decode_clip(
    file: io.BufferedIOBase,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
    fit: moving.Fit = moving.keep_size,
) -> list[np.ndarray]:
  """Up to `frames` upright pictures uint8[h w 3] of an encoded video.

  Args:
    file: anything FFmpeg reads, or an animated GIF, WebP, PNG or AVIF.
    name: what messages call it.
    frames: how many at most.
    rng: draws the start of the clip; None reads the whole, see `clip_times`.
    fps: frames per second of the clip, not of the video.
    fit: (width, height) of a frame to those that its picture should have.
      It is scaled while its colours are converted; animations, which FFmpeg
      does not read, keep their size.

  Raises:
    MediumError: empty, not a video, or no frame can be decoded.
  """
  with moving.opened(file, name) as video:
    times = clip_times(video.seconds, frames, rng, fps)
    clip = list(moving.each_once(
        lambda frame: video.picture(frame, fit), video.at(times)
    ))
  if not clip:
    raise MediumError(
        'has no frame',
        f'{name} holds no frame that can be decoded; export it again',
    )
  return clip


def check_video(file: io.BufferedIOBase, name: str, to_end: bool) -> None:
  """Reads as far as the first frame, or all frames.

  Raises:
    UserError: what decode_clip would say, or the video is cut short.
  """
  decode_clip(file, name, 1, None, 1.0)
  file.seek(0)
  if not to_end or moving.is_animation(file):
    return  # decode_clip has read all of an animation
  reached, patient = 0.0, moving.Patient(file)
  try:
    with av.open(patient) as container:
      stream = container.streams.video[0]
      origin = (container.start_time or 0) / 1e6
      duration = (container.duration or 0) / 1e6
      slack = max(_CUT, 2 / float(stream.average_rate or 1))
      for packet in container.demux():  # sound too: it may be longer
        patient.found()
        if packet.stream == stream:
          packet.decode()
        if packet.pts is not None:
          end = (packet.pts + (packet.duration or 0)) * packet.time_base
          reached = max(reached, float(end) - origin)
    if patient.failure:
      raise patient.failure
  except (av.error.FFmpegError, OSError) as error:
    raise UserError(
        f'{name} cannot be decoded beyond second {reached:.1f} '
        f'({(patient.failure or error).strerror}); copy or export it again'
    ) from None
  if reached < duration - slack:
    raise UserError(
        f'{name} ends at second {reached:.1f} of {duration:.1f}; copy or '
        'export it again'
    )


@dataclasses.dataclass(frozen=True)
class Extent:
  """How long a video is, in seconds, and its frames per second."""

  seconds: float
  rate: float

  def is_slower(self, fps: float) -> bool:
    """Whether frames at `fps` a second come several times."""
    return self.rate < _NEARLY * fps


def extent(file: io.BufferedIOBase, name: str) -> Extent:
  """Of an encoded video, whose frames are not decoded.

  Raises:
    UserError: it cannot be read.
  """
  with moving.opened(file, name) as video:
    return Extent(video.seconds, video.rate)

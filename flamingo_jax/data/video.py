# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of videos at a fixed rate (Flamingo §3.2.2 of v1, B.1.2)."""

import dataclasses
import io
import itertools
import math
from typing import Any, Callable, Iterable, Iterator

import av
import numpy as np
import PIL.Image
import PIL.ImageSequence

from flamingo_jax.data import scaling
from flamingo_jax.errors import UserError

# Timestamps are fractions of a second that rarely hit whole ones.
_TOLERANCE = 1e-3
_CUT = 1.0  # seconds that may be missing: headers are not exact
_FAR = 10.0  # seconds between frames from which seeking is faster than decoding
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
  return times[: max(1, int(np.sum(times < duration - _TOLERANCE)))]


def array_clip(
    video: np.ndarray, frames: int, rng: np.random.Generator | None, fps: float
) -> list[np.ndarray]:
  """A clip of uint8[T h w 3], whose frames are one second apart.

  At more than one frame per second each comes several times.
  """
  times = clip_times(float(len(video)), frames, rng, fps)
  last = len(video) - 1
  return [video[min(int(time + _TOLERANCE), last)] for time in times]


def _keep_size(width: int, height: int) -> tuple[int, int]:
  return width, height


def decode_clip(
    file: io.BufferedIOBase,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
    fit: Callable[[int, int], tuple[int, int]] = _keep_size,
) -> list[np.ndarray]:
  """Up to `frames` upright pictures uint8[h w 3] of an encoded video.

  Args:
    file: anything FFmpeg reads, or an animated GIF, WebP or PNG.
    name: what messages call it.
    frames: how many at most.
    rng: draws the start of the clip; None reads the whole, see `clip_times`.
    fps: frames per second of the clip, not of the video.
    fit: (width, height) of a frame to those that its picture should have.
      It is scaled while its colours are converted; animations, which FFmpeg
      does not read, keep their size.

  Raises:
    UserError: empty, not a video, or no frame can be decoded.
  """
  if not file.read(1):
    raise UserError(f'{name} is empty (0 bytes); copy or export it again')
  file.seek(0)
  if _is_animation(file):
    return _decode_animation(file, name, frames, rng, fps)
  try:
    with av.open(file) as container:
      clip = [
          _to_picture(frame, fit)
          for frame in _decode_container(container, name, frames, rng, fps)
      ]
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


def check_video(file: io.BufferedIOBase, name: str, to_end: bool) -> None:
  """Reads as far as the first frame, or all frames.

  Raises:
    UserError: what decode_clip would say, or the video is cut short.
  """
  decode_clip(file, name, 1, None, 1.0)
  file.seek(0)
  if not to_end or _is_animation(file):  # of which decode_clip has read all
    return
  reached = 0.0
  try:
    with av.open(file) as container:
      stream = container.streams.video[0]
      origin = (container.start_time or 0) / 1e6
      duration = (container.duration or 0) / 1e6
      slack = max(_CUT, 2 / float(stream.average_rate or 1))
      for packet in container.demux():  # sound too: it may be longer
        if packet.stream == stream:
          packet.decode()
        if packet.pts is not None:
          end = (packet.pts + (packet.duration or 0)) * packet.time_base
          reached = max(reached, float(end) - origin)
  except av.error.FFmpegError as error:
    raise UserError(
        f'{name} cannot be decoded beyond second {reached:.1f} '
        f'({error.strerror}); copy or export it again'
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
  try:
    if _is_animation(file):
      ends = _ends(PIL.Image.open(file))
      return Extent(ends[-1], len(ends) / ends[-1])
    with av.open(file) as container:
      stream = container.streams.video[0]
      return Extent(
          _duration(container, stream), float(stream.average_rate or math.inf)
      )
  except Exception as error:  # decoders of broken data raise anything
    raise UserError(
        f'{name} cannot be read as a video ({error}); copy or export it again'
    ) from None


def _is_animation(file: io.BufferedIOBase) -> bool:
  begins = file.read(12)
  file.seek(0)
  return begins[:4] in (b'GIF8', b'\x89PNG') or begins[8:] == b'WEBP'


def _decode_container(
    container,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
) -> Iterator[Any]:
  if not container.streams.video:
    raise UserError(f'{name} has no video stream; is it an audio file?')
  stream = container.streams.video[0]
  origin = float((stream.start_time or 0) * stream.time_base)
  times = clip_times(_duration(container, stream), frames, rng, fps)

  def timed(start):
    if start > 0:  # to the key frame before it
      offset = int((start + origin) / stream.time_base)
      container.seek(offset, stream=stream)
    for frame in container.decode(stream):
      if frame.time is not None:
        yield frame.time - origin, frame

  if len(times) > 1 and times[1] - times[0] > _FAR:
    found = _seek_each(timed, times)
    if found:
      return iter(found)
    container.seek(0)
  return _at_times(timed(times[0]), times)


def _seek_each(
    timed: Callable[[float], Iterator[tuple[float, Any]]], times: np.ndarray
) -> list[Any]:
  """What `_at_times` yields, without decoding what is between.

  `timed` maps a second to the frames from the key frame before it. Nothing if
  seeking misses, as it does in files without an index.
  """
  chosen = []
  for i, time in enumerate(times):
    frames = timed(time)
    first = next(frames, None)
    if first is None or (i and first[0] > time + _TOLERANCE):
      return []
    chosen += _at_times(itertools.chain([first], frames), times[i : i + 1])
  return chosen


def _duration(container, stream) -> float:
  """Seconds; measured if the header does not tell, as in recorded WebM."""
  if stream.duration is not None:
    return float(stream.duration * stream.time_base)
  if container.duration is not None:
    return container.duration / 1e6
  last = max(
      (p.pts + (p.duration or 0) for p in container.demux(stream)
       if p.pts is not None),
      default=0,
  )
  container.seek(0)
  return float((last - (stream.start_time or 0)) * stream.time_base)


def _to_picture(
    frame: av.VideoFrame, fit: Callable[[int, int], tuple[int, int]]
) -> np.ndarray:
  """An upright picture of the size that `fit` wants."""
  picture = scaling.scale_frame(frame, *fit(frame.width, frame.height))
  # Phones store videos lying down, with a rotation in quarter turns.
  return np.rot90(picture, round(frame.rotation / 90))


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


def _decode_animation(
    file: io.BufferedIOBase,
    name: str,
    frames: int,
    rng: np.random.Generator | None,
    fps: float,
) -> list[np.ndarray]:
  try:
    picture = PIL.Image.open(file)
    # Two passes, so that no more than one picture is in memory.
    ends = _ends(picture)
    times = clip_times(ends[-1], frames, rng, fps)
    timed = zip([0.0, *ends], _iterate(picture))
    return [_on_white(frame) for frame in _at_times(timed, times)]
  except Exception as error:  # decoders of broken data raise anything
    raise UserError(
        f'{name} is corrupt or cut short ({error}); copy or export it again'
    ) from None


def _ends(picture: PIL.Image.Image) -> list[float]:
  """The second at which each frame ends."""
  return list(itertools.accumulate(_seconds(f) for f in _iterate(picture)))


def _iterate(picture: PIL.Image.Image) -> Iterator[PIL.Image.Image]:
  for frame in PIL.ImageSequence.Iterator(picture):
    frame.load()  # also what sets the duration of a WebP frame
    yield frame.convert('RGBA')


def _seconds(frame: PIL.Image.Image) -> float:
  # Browsers show frames that claim no time for a tenth of a second.
  return (frame.info.get('duration') or 100) / 1000


def _on_white(frame: PIL.Image.Image) -> np.ndarray:
  white = PIL.Image.new('RGBA', frame.size, 'white')
  return np.asarray(PIL.Image.alpha_composite(white, frame).convert('RGB'))

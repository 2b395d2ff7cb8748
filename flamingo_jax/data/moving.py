# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoded videos and animations: which frame is on screen when, as a picture.

Reading and preparing both go through here, so that a clip is the same for both.
"""

from collections.abc import Callable, Iterable, Iterator
import contextlib
from fractions import Fraction
import io
import itertools
import math
from typing import Any

import av
import numpy as np
import PIL.Image
import PIL.ImageSequence

from flamingo_jax.data import pictures
from flamingo_jax.data import scaling
from flamingo_jax.data.pictures import MediumError
from flamingo_jax.errors import UserError

# Timestamps are fractions of a second that rarely hit whole ones.
TOLERANCE = 1e-3
_FAR = 10.0  # seconds between frames from which seeking is faster than decoding
_NO_TIME = 10  # milliseconds
_LATE = 0.5  # seconds; before that a start changes no length to speak of
_LONGEST_SEARCH = 2**28  # bytes that hold no frame
_MOST_STRETCHED = 16  # beyond this, the shape that pixels claim is damage

Fit = Callable[[int, int], tuple[int, int]]
Scale = Callable[[av.VideoFrame, int, int], np.ndarray]


def keep_size(width: int, height: int) -> tuple[int, int]:
  """The size of a frame, for pictures of that size."""
  return width, height


class Animation:
  """A GIF, WebP, PNG or AVIF, opened; a still one is a video of one frame.

  Attributes:
    seconds: how long it is.
    rate: frames per second.
    size: width and height of its pictures.
    count: of its frames.
  """

  def __init__(self, file: io.BufferedIOBase):
    """Reads all of it once, so that later one frame at a time is in memory.

    Raises:
      Exception: Pillow's, of any kind.
    """
    self._picture = pictures.open_encoded(file)
    if self._picture.format == 'WEBP':
      # Pillow takes what no frame covers for black if none of them has alpha.
      self._picture._mode = self._picture.rawmode = 'RGBA'
    self._ends = list(itertools.accumulate(map(_seconds, self._frames())))
    self.seconds = self._ends[-1]
    self.count = len(self._ends)
    self.rate = self.count / self.seconds
    self.size = self._picture.size

  def timed(self) -> Iterator[tuple[float, PIL.Image.Image]]:
    """Each frame and the second at which it begins."""
    return zip([0.0, *self._ends], self._frames())

  def at(self, times: np.ndarray) -> Iterator[PIL.Image.Image]:
    """The frame on screen at each of the rising times."""
    return at_times(self.timed(), times)

  def picture(
      self, frame: PIL.Image.Image, fit: Fit = keep_size,
      scale: Scale = scaling.scale_frame,
  ) -> np.ndarray:
    """uint8[h w 3] on white; Pillow's frames keep their size."""
    del fit, scale
    return np.asarray(pictures.to_rgb(frame, ''))

  def _frames(self) -> Iterator[PIL.Image.Image]:
    frames = PIL.ImageSequence.Iterator(self._picture)
    if getattr(self._picture, 'default_image', False):
      next(frames)  # of a PNG, for those who do not show its animation
    for frame in frames:
      frame.load()  # also what sets the duration of a WebP frame
      yield frame.convert('RGBA')


def _seconds(frame: PIL.Image.Image) -> float:
  # Browsers show frames that claim next to no time for a tenth of a second.
  duration = frame.info.get('duration') or 0
  return (duration if duration > _NO_TIME else 100) / 1000


class Patient:
  """A file for FFmpeg, which would search 40 GB of zeros for what comes next.

  It ends where nothing was found for long, or where the disk fails.

  Attributes:
    failure: of the disk, if it failed.
  """

  def __init__(self, file: io.BufferedIOBase):
    self._file, self._left = file, _LONGEST_SEARCH
    self.seek, self.tell = file.seek, file.tell
    self.failure: OSError | None = None

  def found(self) -> None:
    """What was searched for is there: the next search begins."""
    self._left = _LONGEST_SEARCH

  def read(self, size: int) -> bytes:
    """As of files, or nothing."""
    self._left -= size
    if self._left < 0:
      return b''
    try:
      return self._file.read(size)
    except OSError as error:  # of which PyAV prints all but the last
      self.failure = error
      return b''


class Film:
  """A video that FFmpeg reads, opened.

  Attributes:
    seconds: how long it is.
    rate: frames per second on average, infinite if that is not known.
    size: width and height of its pictures but for a rotation.
    count: of frames that the header claims; 0 where it claims nothing.
    is_bare: whether it is a stream without a container, which can only be read
      from its beginning.
  """

  def __init__(
      self, container: av.container.InputContainer, file: Patient, name: str,
      span: tuple[float, float] | None = None,
  ):
    """Reads the header.

    Args:
      container: the file, opened.
      file: the file.
      name: what messages call it.
      span: when its first frame begins and its last one ends, if they were
        measured; else `seconds` is None where the header does not tell.

    Raises:
      MediumError: it has no video that can be decoded.
    """
    if not container.streams.video:
      raise MediumError(
          'has no frame', f'{name} has no video stream; is it an audio file?'
      )
    stream = container.streams.video[0]
    if stream.codec_context is None:
      raise MediumError(
          'has a codec that cannot be read',
          f'{name} has a codec that cannot be read; export it again, for'
          ' example as MP4',
      )
    self._container, self._file, self._stream = container, file, stream
    stream.thread_type = 'NONE'  # as many files are read at once as are cores
    self.is_bare = bool(
        container.format.flags & av.format.Flags.no_timestamps.value
    )
    span = span or _told(container, stream)
    self._origin, end = span or (0.0, None)
    self.seconds = None if end is None else end - self._origin
    self.rate = float(stream.average_rate or math.inf)
    self.size = _square(stream, stream.width, stream.height)
    self.count = stream.frames

  def timed(self, start: float = 0.0) -> Iterator[tuple[float, av.VideoFrame]]:
    """Each frame and the second at which it begins, as they are shown.

    From the key frame before `start`.
    """
    if start > 0 and not self.is_bare:
      offset = int((start + self._origin) / self._stream.time_base)
      self._container.seek(offset, stream=self._stream)
    end = 0.0
    for frame in self._container.decode(self._stream):
      self._file.found()
      # Without a container there are no timestamps, only durations.
      known = frame.time is not None
      second = frame.time - self._origin if known else end
      end = second + float((frame.duration or 0) * frame.time_base)
      yield second, frame

  def at(self, times: np.ndarray) -> Iterator[av.VideoFrame]:
    """The frame on screen at each of the rising times."""
    if not self.is_bare and len(times) > 1 and times[1] - times[0] > _FAR:
      found = self._seek_each(times)
      if found:
        return iter(found)
      self._container.seek(0)
    return at_times(self.timed(times[0]), times)

  def picture(
      self, frame: av.VideoFrame, fit: Fit = keep_size,
      scale: Scale = scaling.scale_frame,
  ) -> np.ndarray:
    """uint8[h w 3]: upright, on white, its pixels square.

    Args:
      frame: one of this video.
      fit: width and height of a frame to those that its picture should have.
      scale: makes a frame a picture of such a size.
    """
    size = fit(*_square(self._stream, frame.width, frame.height))
    opaque = _on_white(frame) if _has_alpha(frame) else frame
    # Phones store videos lying down, with a rotation in quarter turns.
    return np.rot90(scale(opaque, *size), round(frame.rotation / 90))

  def _seek_each(self, times: np.ndarray) -> list[av.VideoFrame]:
    """What `at_times` yields, without decoding what is between.

    Nothing if seeking misses, as it does in files without an index.
    """
    chosen = []
    for i, time in enumerate(times):
      frames = self.timed(time)
      first = next(frames, None)
      if first is None or (i and first[0] > time + TOLERANCE):
        return []
      chosen += at_times(itertools.chain([first], frames), times[i : i + 1])
    return chosen


def _told(
    container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[float, float] | None:
  """When the first frame begins and the last one ends, if the header tells."""
  if stream.start_time is None:
    return None
  start = float(stream.start_time * stream.time_base)
  if stream.duration is not None:
    return start, start + float(stream.duration * stream.time_base)
  # Of a late start it is not clear whether it is part of the duration.
  if container.duration is not None and start < _LATE:
    return start, start + container.duration / 1e6
  return None


def _measured(
    container: av.container.InputContainer, stream: av.VideoStream,
    file: Patient,
) -> tuple[float, float]:
  """The same as far as packets tell; the container is read to its end."""
  end, begins, ends = 0, [], []
  for packet in container.demux(stream):
    file.found()
    if packet.size:  # the last one is empty
      begins.append(end if packet.pts is None else packet.pts)
      end = begins[-1] + (packet.duration or 0)
      ends.append(end)
  start = min(begins, default=0)
  return tuple(
      float(time * stream.time_base)
      for time in (start, max(ends, default=start))
  )


def _square(
    stream: av.VideoStream, width: int, height: int
) -> tuple[int, int]:
  """The size of a frame when its pixels are square, as players show it."""
  shape = stream.sample_aspect_ratio or Fraction(1)
  if not 1 / _MOST_STRETCHED <= shape <= _MOST_STRETCHED:
    return width, height
  return max(1, round(width * shape)), height


def _has_alpha(frame: av.VideoFrame) -> bool:
  return any(part.is_alpha for part in frame.format.components)


def _on_white(frame: av.VideoFrame) -> av.VideoFrame:
  layers = PIL.Image.fromarray(frame.to_ndarray(format='rgba'))
  return av.VideoFrame.from_image(pictures.to_rgb(layers, ''))


def at_times(
    timed: Iterable[tuple[float, Any]], times: np.ndarray
) -> Iterator[Any]:
  """Yields the frame on screen at each of the rising times.

  A frame stays on screen until the next one, so it is the last one that began
  no later; before the first frame it is the first.
  """
  shown, wanted = None, 0
  for begins, frame in timed:
    while wanted < len(times) and shown is not None and (
        begins > times[wanted] + TOLERANCE
    ):
      yield shown
      wanted += 1
    if wanted == len(times):
      return
    shown = frame
  if shown is not None:
    for _ in range(wanted, len(times)):
      yield shown


def each_once(
    make: Callable[[Any], Any], frames: Iterable[Any]
) -> Iterator[Any]:
  """`make` of each; of a frame that stays on screen it is made once."""
  last = made = None
  for frame in frames:
    if frame is not last:
      last, made = frame, make(frame)
    yield made


@contextlib.contextmanager
def opened(
    file: io.BufferedIOBase, name: str
) -> Iterator[Film | Animation]:
  """An encoded video, of any format, while it is read.

  Raises:
    MediumError: it is empty or none, or what reads it meets damage.
  """
  patient = Patient(file)
  try:
    if not file.read(1):
      raise MediumError(
          'is empty', f'{name} is empty (0 bytes); copy or export it again'
      )
    file.seek(0)
    if is_animation(file):
      yield _animation(file, name)
    else:
      with _film(patient, name) as film:
        yield film
    if patient.failure:
      raise patient.failure
  except UserError:
    raise
  except Exception as error:  # decoders of broken data raise anything
    if patient.failure or not isinstance(error, av.error.FFmpegError):
      raise pictures.failed(name, patient.failure or error) from None
    raise MediumError(
        'is corrupt',
        f'{name} cannot be decoded as a video ({error.strerror}); export it'
        ' again, for example as MP4',
    ) from None


def _animation(file: io.BufferedIOBase, name: str) -> Animation:
  _check_size(file, name)
  return Animation(file)


def _check_size(file: io.BufferedIOBase | Patient, name: str) -> None:
  """Of what libraries may read whole to find the next frame."""
  place = file.tell()
  size = file.seek(0, io.SEEK_END)
  file.seek(place)
  if size > pictures.LARGEST['video']:
    raise pictures.too_large('video', name, f'{size:,}')


@contextlib.contextmanager
def _film(file: Patient, name: str) -> Iterator[Film]:
  with av.open(file) as container:
    film = Film(container, file, name)
    if film.seconds is not None:
      yield film
      return
    if film.is_bare:
      _check_size(file, name)
    span = _measured(container, container.streams.video[0], file)
  file.seek(0)
  with av.open(file) as container:
    yield Film(container, file, name, span)


def is_animation(file: io.BufferedIOBase) -> bool:
  """Whether Pillow reads it, and not FFmpeg."""
  begins = file.read(12)
  file.seek(0)
  return begins[:4] in (b'GIF8', b'\x89PNG') or begins[8:] == b'WEBP' or (
      begins[4:] == b'ftypavis'
  )

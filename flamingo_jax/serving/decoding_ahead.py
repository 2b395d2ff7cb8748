# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Media, decoded before the model is asked about them.

In threads of their own, so that nobody's large picture keeps the model from
answering others.
"""

import collections
from collections.abc import Callable, Sequence
import functools
import hashlib
import io
import threading

import numpy as np

from flamingo_jax.data import data_uri
from flamingo_jax.data import media
from flamingo_jax.data import moving
from flamingo_jax.data import pictures
from flamingo_jax.data import squares
from flamingo_jax.data.media import Kind, Media
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import FrameSize

_ANIMATED = 20  # frames of as many pixels as a picture may have, in all
_AT_ONCE = 2  # each may take half a gigabyte
_KEPT = 2**26  # bytes of what was decoded: shots come again and again


class Decoder:
  """Makes media what a model takes of them."""

  def __init__(
      self, size: FrameSize | None, frames: int, fps: float, pixels: int
  ):
    """Args of the model.

    Args:
      size: of its pictures or arrays; None: it sees none.
      frames: that are read of a video.
      fps: frames per second of a video.
      pixels: of a picture or a frame, at most.
    """
    self._size, self._frames, self._fps = size, frames, fps
    self._pixels = pixels
    self._turn, self._lock = threading.Semaphore(_AT_ONCE), threading.Lock()
    # By kind and what was encoded, the latest used last.
    self._kept: collections.OrderedDict[tuple, media.Squares] = (
        collections.OrderedDict()
    )
    self._bytes = 0

  def medium(self, medium: Media) -> Media:
    """An encoded picture or video, or the file of an array, decoded.

    Raises:
      UserError: it cannot be decoded, or is too large.
    """
    key = medium.kind, medium.data
    decoded = self._once(key, functools.partial(self._decode, medium))
    return Media(medium.kind, medium.path, decoded)

  def data_uri(self, kind: Kind, place: str, address: str) -> Media:
    """The same of what an address holds itself.

    Args:
      kind: of the medium.
      place: what messages call it.
      address: the data: URI. One that comes again is not even read as base64.

    Raises:
      UserError: as of `medium`, and if it is malformed.
    """
    return Media(kind, place, self._once(
        (f'{kind} of a URI', address.encode('utf-8', 'surrogatepass')),
        lambda: self._decode(Media(kind, place, data_uri.decode(address))),
    ))

  def _decode(self, medium: Media) -> media.Squares:
    size = self._check(medium)
    frames = size.places if medium.kind == 'image' else self._frames
    return media.read_ahead(medium, frames, size, self._fps).data

  def clip(self, place: str, frames: Sequence[bytes]) -> Media:
    """A video of which somebody else has chosen the frames.

    Args:
      place: what messages call it.
      frames: encoded pictures of one size.

    Raises:
      UserError: as of `medium`, and if sizes differ.
    """
    def decode():
      found = []
      for frame in frames[: self._frames]:
        size = self._check(Media('image', place, frame))
        found.append(
            pictures.decode_image(frame, place, squares.draft_size(size))
        )
      if len({frame.shape for frame in found}) > 1:
        raise UserError(
            f'{place} has frames of several sizes; make them one size'
        )
      # One frame per second of an array: each of them is taken.
      return media.read_ahead(
          Media('video', place, np.stack(found)), self._frames, self._size, 1.0
      ).data

    return Media('video', place, self._once(('clip', *frames), decode))

  def _once(
      self, encoded: Sequence[str | bytes], decode: Callable[[], media.Squares]
  ) -> media.Squares:
    """What is decoded, now or of late."""
    key = encoded[0], *(hashlib.sha256(x).digest() for x in encoded[1:])
    with self._lock:
      if key in self._kept:
        self._kept.move_to_end(key)
        return self._kept[key]
    with self._turn:
      found = decode()
    with self._lock:
      if key not in self._kept:
        self._kept[key] = found
        self._bytes += found.pixels.nbytes
      while self._bytes > _KEPT:
        self._bytes -= self._kept.popitem(last=False)[1].pixels.nbytes
    return found

  def _check(self, medium: Media) -> FrameSize:
    """The size that the model takes; UserError if its pixels are too many."""
    if self._size is None:
      raise UserError(f'{medium.path} is not text, and this model reads text '
                      'alone; leave it out')
    if medium.kind == 'features':
      return self._size
    width, height = self._shape(medium)
    if width * height > self._pixels:
      raise UserError(
          f'{medium.path} has {width} x {height} pixels, and {self._pixels:,} '
          'are the most; make it smaller'
      )
    return self._size

  def _shape(self, medium: Media) -> tuple[int, int]:
    """Width and height, from the header."""
    file = io.BytesIO(medium.data)
    if medium.kind == 'image':
      return pictures.open_image(file, medium.path).size
    if moving.is_animation(file):
      return self._animation(file, medium.path)
    with moving.opened(file, medium.path) as video:
      return video.size

  def _animation(self, file: io.BytesIO, place: str) -> tuple[int, int]:
    """Of one whose frames are all decoded, as Pillow has to."""
    picture = pictures.open_image(file, place, still=False)
    frames = getattr(picture, 'n_frames', 1)
    if picture.width * picture.height * frames > _ANIMATED * self._pixels:
      raise UserError(
          f'{place} has {frames} frames of {picture.width} x {picture.height} '
          f'pixels, and {_ANIMATED * self._pixels:,} are the most in all; send '
          'it as MP4'
      )
    return picture.size

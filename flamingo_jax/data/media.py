# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images, videos and arrays: what they are, and from bytes to model frames."""

import dataclasses
import hashlib
import io
import os
import re
from typing import Any, Literal

import numpy as np
import PIL.Image

from flamingo_jax import opening
from flamingo_jax.data import arrays
from flamingo_jax.data import augmentation
from flamingo_jax.data import data_uri
from flamingo_jax.data import pictures
from flamingo_jax.data import squares
from flamingo_jax.data import tiles
from flamingo_jax.data import video as video_reader
from flamingo_jax.data.pictures import MediumError, decode_image
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, FrameSize, PictureSize
from flamingo_jax.picture_size import frame_size

_WEB = re.compile(r'(https?|ftps?|s3|gs)://', re.I)
_TOLD = 80  # characters of an address that messages show

Kind = Literal['image', 'video', 'features']


@dataclasses.dataclass(frozen=True, eq=False)
class Squares:
  """What a model takes of a medium, made before the model is asked."""

  pixels: np.ndarray  # uint8[T size size 3], or float32[T P C]
  mask: np.ndarray  # bool[T], which frames exist
  sha256: str  # of the pixels


@dataclasses.dataclass(frozen=True, eq=False)
class Media:
  """One medium of a document: a file, its bytes, or its pixels or numbers."""

  kind: Kind
  path: str  # absolute path, or a name for messages where `data` is given
  # None (read `path`), encoded bytes, or uint8[h w 3] pixels of an image and
  # uint8[T h w 3] frames of a video at one frame per second, or float[T P C] of
  # features; or what `read_ahead` has made of any of these.
  data: bytes | np.ndarray | Squares | None = None

  @property
  def name(self) -> str:
    """For messages: the path, relative if it is below the current folder."""
    below = os.path.join(os.getcwd(), '')
    return self.path.removeprefix(below) if self.data is None else self.path


def image(source: Any) -> Media:
  """An image from a path, a data: URI, encoded bytes, a PIL image or an array.

  Arrays are uint8 [h w 3], [h w 4] (with alpha), [h w 1] or [h w].
  """
  if isinstance(source, PIL.Image.Image):
    name = '<PIL image>'
    if 0 in source.size:
      raise UserError(f'a PIL image of size {source.size} is empty')
    return Media('image', name, np.asarray(pictures.finish(source, name)))
  if isinstance(source, (bytes, bytearray, memoryview, str, os.PathLike)):
    return _encoded('image', source)
  return Media('image', '<image array>', _check_image_array(source))


def video(source: Any) -> Media:
  """A video from a path, a data: URI, encoded bytes or uint8[T h w 3].

  An array has one frame per second: at 3 FPS each of its frames is read thrice.
  """
  if isinstance(source, (bytes, bytearray, memoryview, str, os.PathLike)):
    return _encoded('video', source)
  frames = _as_array(source, 'a video array')
  if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
    raise UserError(
        'a video array must be uint8 of shape [frames, height, width, 3], got'
        f' {frames.dtype} of shape {list(frames.shape)}'
    )
  if 0 in frames.shape:
    raise UserError(f'a video array of shape {list(frames.shape)} is empty')
  return Media('video', '<video array>', frames)


def features(source: Any) -> Media:
  """Features from a path, a data: URI, bytes of a .npy file, or float[T P C].

  Arrays have T frames of P positions with C numbers each (`arrays`).
  """
  if isinstance(source, (bytes, bytearray, memoryview, str, os.PathLike)):
    return _encoded('features', source)
  name = '<features array>'
  array = arrays.check(_as_array(source, name), name)
  arrays.check_finite(array, name)
  return Media('features', name, array)


def _encoded(
    kind: Kind,
    source: bytes | bytearray | memoryview | str | os.PathLike,
) -> Media:
  if isinstance(source, (bytes, bytearray, memoryview)):
    return Media(kind, f'<{kind} bytes>', bytes(source))
  return named(kind, os.fspath(source))


def named(kind: Kind, address: str, folder: str = '') -> Media:
  """A medium by its path, which may start at a folder, or by its data: URI.

  Raises:
    UserError: a malformed data: URI, or an address of the web.
  """
  if data_uri.is_data_uri(address):
    data = data_uri.decode(address)
    return Media(kind, data_uri.shorten(address), data)
  if _WEB.match(address):
    raise UserError(
        f'{kind} {address[:_TOLD]} is an address of the web, from which'
        ' nothing is fetched: download the file and give its path'
    )
  return Media(kind, os.path.abspath(os.path.join(folder, address)))


def _as_array(source: Any, name: str) -> np.ndarray:
  try:
    return np.asarray(source)
  except (ValueError, TypeError) as error:
    raise UserError(
        f'{name} must have rows, and frames, of one size: {error}'
    ) from None


def _check_image_array(source: Any) -> np.ndarray:
  pixels = _as_array(source, 'an image array')
  is_gray = pixels.ndim == 2
  is_image = pixels.ndim == 3 and pixels.shape[-1] in (1, 3, 4)
  if pixels.dtype != np.uint8 or not (is_gray or is_image):
    raise UserError(
        'an image array must be uint8 (0 to 255) of shape [height, width, 3],'
        f' got {pixels.dtype} of shape {list(pixels.shape)}'
    )
  if 0 in pixels.shape:
    raise UserError(f'an image array of shape {list(pixels.shape)} is empty')
  if pixels.shape[-1] == 1 and not is_gray:
    pixels = pixels[..., 0]
  picture = PIL.Image.fromarray(pixels)
  return np.asarray(pictures.to_rgb(picture, '<image array>'))


def open_file(media: Media) -> io.BufferedIOBase:
  """The encoded file of a medium that is not an array, open for reading.

  Raises:
    MediumError: there is no such file, or it is larger than an image may be.
  """
  if media.data is not None:
    return io.BytesIO(media.data)
  try:
    file = opening.open_file(media.path)
  except FileNotFoundError:
    raise MediumError(
        'cannot be read',
        f'{media.kind} {media.name} does not exist; correct the path (in a'
        ' JSONL file, paths start at the folder of that file)',
    ) from None
  except (OSError, ValueError) as error:  # ValueError: a path with a NUL
    reason = getattr(error, 'strerror', error)
    raise MediumError(
        'cannot be read',
        f'{media.kind} {media.name!r} cannot be read ({reason}); correct the'
        ' path or its permissions',
    ) from None
  if media.kind == 'image':
    _check_size(media, file)
  return file


def _check_size(media: Media, file: io.BufferedIOBase) -> None:
  size = os.fstat(file.fileno()).st_size
  if size > pictures.LARGEST[media.kind]:
    file.close()
    raise pictures.too_large(media.kind, media.name, f'{size:,}')


def read_file(media: Media) -> bytes:
  """The encoded file of a medium that is not an array.

  Raises:
    MediumError: it cannot be read, or is too large to be read whole.
  """
  most = pictures.LARGEST[media.kind]
  with open_file(media) as file:
    if media.data is None:
      _check_size(media, file)
    try:
      data = file.read(most + 1)
    except OSError as error:
      raise pictures.failed(f'{media.kind} {media.name}', error) from None
  if len(data) > most:
    raise pictures.too_large(media.kind, media.name, f'more than {most:,}')
  return data


def open_features(media: Media) -> np.ndarray:
  """float[T P C] of features, mapped into memory if they are a file.

  Raises:
    MediumError: as of `open_file` and `arrays.open_array`.
  """
  if isinstance(media.data, np.ndarray):
    return media.data
  with open_file(media) as file:
    return arrays.open_array(file, f'features {media.name}')


def read_ahead(
    media: Media, frames: int, size: int | FrameSize, fps: float
) -> Media:
  """The same medium for models that read it so; see `load_frames`.

  Raises:
    UserError: it cannot be read or decoded.
  """
  pixels, mask = load_frames(media, frames, size, None, fps)
  digest = hashlib.sha256(pixels).hexdigest()
  return dataclasses.replace(media, data=Squares(pixels, mask, digest))


def load_frames(
    media: Media,
    frames: int,
    size: int | FrameSize,
    rng: np.random.Generator | None,
    fps: float = 1.0,
    augment: str = '',
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Frames of one medium as the model takes them: pixels, or arrays.

  An image is a video of one frame. Of a video, `frames` frames at `fps` frames
  per second are read: a random clip with `rng` (training), otherwise from its
  beginning, or evenly over the whole of one that is longer (`clip_times`).
  With `rng` and `augment`, a name that `augmentation.get` knows, it is changed at
  random too. `size` may be a PictureSize, which says how pictures become squares,
  of an image several, if it is tiled. It is an ArraySize where a model reads
  features, which are taken as they are.

  Returns:
    `out`, or a new uint8[T size size 3] or float32[T P C], zero where there is no
    frame, and the mask bool[T] of those that exist.

  Raises:
    UserError: the medium cannot be read or decoded.
  """
  if isinstance(media.data, Squares):
    return _as_read(media, frames, size, out)
  if media.kind == 'features':
    array, name = open_features(media), f'features {media.name}'
    return arrays.fill(array, name, frames, size, out)
  check_pictures(media, size)
  squaring = PictureSize(size).squaring
  if squaring.tiles:
    _check_tiled(media, frames, squaring.places)
  clip = _clip(media, frames, size, rng, fps)
  if out is None:
    out = np.empty((frames, size, size, 3), np.uint8)
  change = []
  if augment and rng is not None:
    change = [augmentation.draw(augmentation.get(augment), rng)]
  if squaring.tiles:
    return out, tiles.fill_tiles(clip[0], PictureSize(size), out, *change)
  for frame, pixels in zip(clip, out):
    try:
      squares.make_square(frame, size, pixels, *change)
    except UserError as error:
      raise UserError(f'{media.name}: {error}') from None
  out[len(clip) :] = 0
  return out, np.arange(frames) < len(clip)


def check_pictures(media: Media, size: int | FrameSize) -> None:
  """Raises MediumError if an image or video is none of what a model reads."""
  if isinstance(size, ArraySize):
    raise MediumError(
        'is a picture',
        f'{media.kind} {media.name} stands where arrays of {size} (positions x '
        'channels) are read; give features, or a model of pictures',
    )


def _as_read(
    media: Media, frames: int, size: int | FrameSize, out: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
  pixels, mask = media.data.pixels, media.data.mask
  size = frame_size(size)
  if pixels.shape != (frames, *size.shape):
    raise UserError(
        f'{media.name} was read as {list(pixels.shape)}, and this model reads '
        f'{[frames, *size.shape]}: read it for this one'
    )
  if out is None:
    return pixels, mask
  out[:] = pixels
  return out, mask


def _check_tiled(media: Media, frames: int, places: int) -> None:
  if media.kind == 'video':
    raise UserError(
        f'{media.name} is a video, and this model sees images alone, each as '
        f'{places - 1} tiles at most'
    )
  if frames != places:
    raise UserError(
        f'frames are {frames}, and an image has {places} places for its tiles '
        f"here: give 'frames': {places} in task_feature_lengths"
    )


def _clip(
    media: Media,
    frames: int,
    size: int,
    rng: np.random.Generator | None,
    fps: float,
) -> list[np.ndarray]:
  """Pictures uint8[h w 3], one of an image."""
  if isinstance(media.data, np.ndarray):
    if media.kind == 'image':
      return [media.data]
    return video_reader.array_clip(media.data, frames, rng, fps)
  if media.kind == 'image':
    at = squares.draft_size(size)
    return [decode_image(read_file(media), media.path, at)]
  with open_file(media) as file:
    return video_reader.decode_clip(
        file, media.path, frames, rng, fps, squares.frame_fit(size)
    )

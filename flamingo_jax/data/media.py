# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images and videos: what they are, and from bytes to model pixels."""

from collections.abc import Callable
import dataclasses
import functools
import io
import math
import os
from typing import Any, Literal

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.ImageOps

from flamingo_jax.data import augmentation
from flamingo_jax.data import scaling
from flamingo_jax.data import video as video_reader
from flamingo_jax.errors import UserError
from flamingo_jax.typing import IMAGE_MEAN

# Formats that hold animations. Others with several frames hold variants of one
# picture (MPO, from phones), of which the first is the picture.
_ANIMATED_FORMATS = frozenset({'GIF', 'WEBP', 'PNG', 'AVIF'})
_PAD_COLOR = tuple(round(255 * mean) for mean in IMAGE_MEAN)


@dataclasses.dataclass(frozen=True, eq=False)
class Media:
  """One image or video of a document: a file, its bytes, or its pixels."""

  kind: Literal['image', 'video']
  path: str  # absolute path, or a name for messages where `data` is given
  # None (read `path`), encoded bytes, or uint8[h w 3] pixels of an image and
  # uint8[T h w 3] frames of a video at one frame per second.
  data: bytes | np.ndarray | None = None


def image(source: Any) -> Media:
  """An image from a path, encoded bytes, a PIL image or an array.

  Arrays are uint8 [h w 3], [h w 4] (with alpha), [h w 1] or [h w].
  """
  if isinstance(source, PIL.Image.Image):
    pixels = np.asarray(_to_rgb(source, '<PIL image>'))
    return Media('image', '<PIL image>', pixels)
  if isinstance(source, bytes):
    return Media('image', '<image bytes>', source)
  if isinstance(source, (str, os.PathLike)):
    return Media('image', os.path.abspath(source))
  return Media('image', '<image array>', _check_image_array(source))


def video(source: Any) -> Media:
  """A video from a path, encoded bytes or uint8[T h w 3].

  An array has one frame per second: at 3 FPS each of its frames is read thrice.
  """
  if isinstance(source, bytes):
    return Media('video', '<video bytes>', source)
  if isinstance(source, (str, os.PathLike)):
    return Media('video', os.path.abspath(source))
  frames = np.asarray(source)
  if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
    raise UserError(
        'a video array must be uint8 of shape [frames, height, width, 3], got'
        f' {frames.dtype} of shape {list(frames.shape)}'
    )
  if 0 in frames.shape:
    raise UserError(f'a video array of shape {list(frames.shape)} is empty')
  return Media('video', '<video array>', frames)


def _check_image_array(source: Any) -> np.ndarray:
  pixels = np.asarray(source)
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
  return np.asarray(_to_rgb(PIL.Image.fromarray(pixels), '<image array>'))


def decode_image(
    data: bytes, name: str, size: int | None = None
) -> np.ndarray:
  """`decode_picture` as uint8[h w 3]."""
  return np.asarray(decode_picture(data, name, size))


def decode_picture(
    data: bytes, name: str, size: int | None = None
) -> PIL.Image.Image:
  """Decodes one still picture to sRGB, upright.

  EXIF rotation is applied, alpha is laid on white, CMYK goes through its colour
  profile where it has one, 16-bit samples are scaled to 8 bits.

  Args:
    data: the encoded file.
    name: what messages call it.
    size: if given, a JPEG much larger than this may be decoded at a half, a
      quarter or an eighth, no less than twice `size` on its longer side.

  Raises:
    UserError: not an image, corrupt, truncated, animated, or beyond 178 Mpx.
  """
  picture = open_image(io.BytesIO(data), name)
  if size is not None:
    scale = 2 * size / max(picture.size)
    if scale < 1:
      # Decoding at full size is most of the cost of reading large photographs.
      picture.draft(None, tuple(math.ceil(scale * n) for n in picture.size))
  try:
    picture.load()
    PIL.ImageOps.exif_transpose(picture, in_place=True)  # no copy if upright
    return _to_rgb(picture, name)
  except UserError:
    raise
  except Exception as error:  # decoders of broken data raise anything
    raise UserError(
        f'{name} is corrupt or cut short ({error}); copy or export it again'
    ) from None


def open_image(file: io.BufferedIOBase, name: str) -> PIL.Image.Image:
  """Reads the header only; the errors of decode_image as far as it tells."""
  begins = file.read(8)
  if not begins:
    raise UserError(f'{name} is empty (0 bytes); copy or export it again')
  try:
    picture = PIL.Image.open(file)
    frames = getattr(picture, 'n_frames', 1)
  except PIL.Image.DecompressionBombError:
    raise UserError(
        f'{name} has more pixels than can be decoded safely (178 million);'
        ' make it smaller'
    ) from None
  except PIL.UnidentifiedImageError:
    raise UserError(
        f'{name} is not an image of a known format (it begins with'
        f' {begins!r}); export it as JPEG or PNG'
    ) from None
  except Exception as error:  # decoders of broken data raise anything
    raise UserError(
        f'{name} is corrupt or cut short ({error}); copy or export it again'
    ) from None
  if frames > 1 and picture.format in _ANIMATED_FORMATS:
    raise UserError(
        f'{name} is an animated {picture.format} of {frames} frames; pass it as'
        ' a video ({"video": ...}) or export one frame'
    )
  return picture


def _to_rgb(picture: PIL.Image.Image, name: str) -> PIL.Image.Image:
  """Any mode of PIL to RGB; the picture itself if it is that."""
  if picture.mode in ('I', 'F') or picture.mode.startswith('I;16'):
    picture = _scale_to_8_bits(np.asarray(picture), name)
  if picture.mode == 'CMYK':
    picture = _cmyk_to_rgb(picture)
  if picture.has_transparency_data:
    picture = picture.convert('RGBA')
    white = PIL.Image.new('RGBA', picture.size, 'white')
    picture = PIL.Image.alpha_composite(white, picture)
  return picture if picture.mode == 'RGB' else picture.convert('RGB')


def _scale_to_8_bits(gray: np.ndarray, name: str) -> PIL.Image.Image:
  # PIL's own conversion clips at 255, which turns 16-bit pictures white.
  if gray.dtype.kind == 'f' or gray.min() < 0 or gray.max() > 65535:
    raise UserError(
        f'{name} has samples of {gray.min():g} to {gray.max():g}, which are not'
        ' those of an 8-bit or 16-bit picture; export it as 8-bit PNG or JPEG'
    )
  gray = np.round(gray / 257).astype(np.uint8)  # 65535 / 257 = 255
  return PIL.Image.fromarray(gray)


def _cmyk_to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
  profile = picture.info.get('icc_profile')
  if profile:
    try:
      inks = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
      srgb = PIL.ImageCms.createProfile('sRGB')
      return PIL.ImageCms.profileToProfile(
          picture, inks, srgb, outputMode='RGB'
      )
    except (OSError, PIL.ImageCms.PyCMSError):
      pass  # a broken profile says nothing about the inks
  return picture.convert('RGB')


def _keep(picture: np.ndarray, out: np.ndarray) -> None:
  out[...] = picture


def resize_and_pad(
    picture: np.ndarray,
    size: int,
    out: np.ndarray | None = None,
    augment: Callable[[np.ndarray, np.ndarray], None] = _keep,
) -> np.ndarray:
  """uint8[h w 3] to uint8[size size 3] without distortion (Flamingo B.1.2).

  The longer side becomes `size` (bicubic, antialiased); the rest is filled with
  the mean colour of images, equally on both sides. `augment` writes the
  picture, when it has its size, to its part of `out`, or of a new array.
  """
  height, width = picture.shape[:2]
  width, height = _fitted(width, height, size)
  left, top = (size - width) // 2, (size - height) // 2
  if out is None:
    out = np.empty((size, size, 3), np.uint8)
  filled = _filled(size)
  if height < size:
    out[:top], out[top + height :] = filled[:top], filled[top + height :]
  if width < size:
    out[:, :left] = filled[:, :left]
    out[:, left + width :] = filled[:, left + width :]
  augment(
      scaling.scale(picture, width, height),
      out[top : top + height, left : left + width],
  )
  return out


def _fitted(width: int, height: int, size: int) -> tuple[int, int]:
  """Width and height of a picture whose longer side becomes `size`."""
  scale = size / max(width, height)
  return max(1, round(width * scale)), max(1, round(height * scale))


@functools.cache
def _filled(size: int) -> np.ndarray:
  """A square of the padding's colour; to copy it is faster than to fill."""
  return np.full((size, size, 3), _PAD_COLOR, np.uint8)


def open_file(media: Media) -> io.BufferedIOBase:
  """The encoded file of a medium that is not an array, open for reading."""
  if media.data is not None:
    return io.BytesIO(media.data)
  try:
    return open(media.path, 'rb')
  except FileNotFoundError:
    raise UserError(
        f'{media.kind} {media.path} does not exist; correct the path (in a'
        ' JSONL file, paths start at the folder of that file)'
    ) from None
  except (OSError, ValueError) as error:  # ValueError: a path with a NUL
    reason = getattr(error, 'strerror', error)
    raise UserError(
        f'{media.kind} {media.path!r} cannot be read ({reason}); correct the'
        ' path or its permissions'
    ) from None


def load_frames(
    media: Media,
    frames: int,
    size: int,
    rng: np.random.Generator | None,
    fps: float = 1.0,
    augment: bool = False,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Pixels of one medium as the model takes them.

  An image is a video of one frame. Of a video, `frames` frames at `fps` frames
  per second are read: a random clip with `rng` (training), otherwise from its
  beginning, or evenly over the whole of one that is longer (`clip_times`).
  With `rng` and `augment` it is flipped and recoloured at random too.

  Returns:
    `out`, or a new uint8[T size size 3], zero where there is no frame, and the
    mask bool[T] of those that exist.

  Raises:
    UserError: the medium cannot be read or decoded.
  """
  clip = _clip(media, frames, size, rng, fps)
  if out is None:
    out = np.empty((frames, size, size, 3), np.uint8)
  change = _keep
  if augment and rng is not None:
    change = augmentation.draw(rng)
  for frame, pixels in zip(clip, out):
    try:
      resize_and_pad(frame, size, pixels, change)
    except UserError as error:
      raise UserError(f'{media.path}: {error}') from None
  out[len(clip) :] = 0
  return out, np.arange(frames) < len(clip)


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
  with open_file(media) as file:
    if media.kind == 'image':
      return [decode_image(file.read(), media.path, size)]
    return video_reader.decode_clip(
        file, media.path, frames, rng, fps,
        functools.partial(_fitted, size=size),
    )

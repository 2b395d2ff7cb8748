# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Media as they are stored: decodable, and hardly larger than training needs.

Images and videos keep their bytes where their longer side is at most 1.15 times
that of training, and are encoded anew otherwise: images as JPEG, videos as MP4
of one JPEG for every second, whose timestamps are those of the original.
"""

import dataclasses
import functools
import hashlib
import io
import os
import warnings

import numpy as np
import PIL.Image

from flamingo_jax.data import media as media_reader
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import clips
from flamingo_jax.prepare import looks
from flamingo_jax.prepare import thresholds
from flamingo_jax.prepare.source import Dropped, Fitted, Fitter

_MARGIN = 1.15  # room for crops, and for a better antialiasing later
_QUALITY = 90  # of JPEGs
_KEPT_FORMATS = ('JPEG', 'PNG', 'WEBP')
_LARGEST = {'image': 2**26, 'video': 2**30}  # bytes of an encoded file
_MAX_PIXELS = 178_000_000  # of an image; decoded they are half a gigabyte


@dataclasses.dataclass(frozen=True)
class MediaFitter(Fitter):
  """Fits media to the size of training."""

  image_size: int  # pixels of the longer side in training; 0 keeps all bytes
  # `identity` of images that must not occur, such as those of benchmarks.
  excluded: tuple[int | str, ...] = ()
  # Thresholds of your own for images, such as 'my.module:safe>=0.9'
  # (`thresholds.scorer`).
  scorers: tuple[str, ...] = ()

  @property
  def limit(self) -> int:
    """Pixels of the longer side of a stored medium."""
    return round(_MARGIN * self.image_size) if self.image_size else 2**31

  def fit(self, media: Media) -> Fitted:
    if media.data is None:
      media = dataclasses.replace(media, data=_read(media))
    if not media.data:
      raise Dropped(f'{media.kind} is empty', media.path)
    if len(media.data) > _LARGEST[media.kind]:
      raise Dropped(
          f'{media.kind} is too large',
          f'{media.path} has {len(media.data):,} bytes',
      )
    if media.kind == 'video':
      data = clips.fit(media.data, media.path, self.limit, _QUALITY)
      return Fitted(dataclasses.replace(media, data=data))
    fitted = self._fit_image(media)
    if _is_one_of(identity(fitted.look, media.data), self.excluded):
      raise Dropped('image is one of those excluded', media.path)
    return fitted

  def _fit_image(self, media: Media) -> Fitted:
    picture = _open(media)
    width, height = picture.size
    draft = self.limit if self.image_size else None
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
        decoded = media_reader.decode_picture(
            media.data, media.path, size=draft
        )
    except UserError as error:
      raise Dropped('image is corrupt', str(error)) from None
    data = media.data
    if max(width, height) > self.limit or picture.format not in _KEPT_FORMATS:
      decoded.thumbnail((self.limit, self.limit), PIL.Image.Resampling.BICUBIC)
      data = _encode_jpeg(decoded)
    for text in self.scorers:
      thresholds.scorer(text).check(decoded)
    gray = decoded.convert('L').resize((9, 8), PIL.Image.Resampling.BOX)
    small = np.asarray(gray, np.int16)
    return Fitted(
        dataclasses.replace(media, data=data), width, height,
        _difference_hash(small), float(small.std()),
    )


def _read(media: Media) -> bytes:
  try:
    with media_reader.open_file(media) as file:
      return file.read(_LARGEST[media.kind] + 1)
  except (UserError, OSError) as error:
    raise Dropped(f'{media.kind} cannot be read', str(error)) from None


def _open(media: Media) -> PIL.Image.Image:
  """The header of an image.

  Raises:
    Dropped: it is none, is animated, or has too many pixels.
  """
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
      picture = media_reader.open_image(io.BytesIO(media.data), media.path)
  except UserError as error:
    if isinstance(error.__context__, PIL.Image.DecompressionBombError):
      raise Dropped('image has too many pixels', str(error)) from None
    if 'animated' in str(error):
      raise Dropped('image is animated', str(error)) from None
    raise Dropped('image is of no known format', str(error)) from None
  if picture.width * picture.height > _MAX_PIXELS:
    raise Dropped('image has too many pixels', f'{media.path}: {picture.size}')
  return picture


def _encode_jpeg(picture: PIL.Image.Image) -> bytes:
  buffer = io.BytesIO()
  picture.save(buffer, 'JPEG', quality=_QUALITY)
  return buffer.getvalue()


def _difference_hash(small: np.ndarray) -> int:
  """64 bits: whether each of i16[8 9] is brighter than its left neighbour."""
  bits = small[:, 1:] > small[:, :-1]
  return int.from_bytes(np.packbits(bits).tobytes())


def identity(look: int, data: bytes) -> int | str:
  """What tells a picture: its look, or a hash of its bytes if it is flat."""
  return look if looks.tells(look) else hashlib.sha256(data).hexdigest()


def _is_one_of(picture: int | str, others: tuple[int | str, ...]) -> bool:
  if isinstance(picture, str):
    return picture in others
  return looks.is_near(picture, _looks_among(others))


@functools.cache
def _looks_among(identities: tuple[int | str, ...]) -> np.ndarray:
  return np.array([i for i in identities if isinstance(i, int)], np.uint64)


def identities_of_folder(folder: str | os.PathLike) -> tuple[int | str, ...]:
  """The `identity` of all images below a folder, sorted.

  Raises:
    UserError: there is none.
  """
  fitter, found = MediaFitter(64), set()
  for path, _, names in os.walk(folder):
    for name in names:
      try:
        data = _read(Media('image', os.path.join(path, name)))
        look = fitter.fit(Media('image', name, data)).look
        found.add(identity(look, data))
      except Dropped:
        continue  # annotations lie beside images
  if not found:
    raise UserError(
        f'{os.fspath(folder)} holds no image; name the folder whose images are '
        'to be kept out'
    )
  return tuple(sorted(found, key=str))



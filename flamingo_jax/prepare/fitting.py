# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Media as they are stored: decodable, and hardly larger than training needs.

Images and videos keep their bytes where their longer side is at most 1.15 times
that of training, and are encoded anew otherwise: images as JPEG, videos as MP4
of one JPEG for every second. Features are checked and kept as they are.
"""

import dataclasses
import functools
import hashlib
import io
import os
import warnings

import numpy as np
import PIL.Image

from flamingo_jax.data import arrays
from flamingo_jax.data import media as media_reader
from flamingo_jax.data import pictures
from flamingo_jax.data.media import Media
from flamingo_jax.data.pictures import MediumError
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import clips
from flamingo_jax.prepare import looks
from flamingo_jax.prepare import thresholds
from flamingo_jax.prepare.source import Dropped, Fitted, Fitter

_MARGIN = 1.15  # room for crops, and for a better antialiasing later
_QUALITY = 90  # of JPEGs
_KEPT_FORMATS = ('JPEG', 'PNG', 'WEBP')


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
    try:
      media = dataclasses.replace(media, data=media_reader.read_file(media))
      if media.kind == 'features':
        array = media_reader.open_features(media)
        arrays.check_finite(array, f'features {media.name}')
        return Fitted(media)
      if media.kind == 'video':
        data = clips.fit(media.data, media.path, self.limit, _QUALITY)
        return Fitted(dataclasses.replace(media, data=data))
      fitted = self._fit_image(media)
    except MediumError as error:
      raise Dropped(f'{media.kind} {error.reason}', str(error)) from None
    if _is_one_of(identity(fitted.look, media.data), self.excluded):
      raise Dropped('image is one of those excluded', media.path)
    return fitted

  def _fit_image(self, media: Media) -> Fitted:
    draft = self.limit if self.image_size else None
    with warnings.catch_warnings():
      warnings.simplefilter('ignore', PIL.Image.DecompressionBombWarning)
      picture = pictures.open_image(io.BytesIO(media.data), media.path)
      decoded = pictures.decode_picture(media.data, media.path, size=draft)
    width, height = picture.size
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
    UserError: there is none, or a file cannot be read.
  """
  fitter, found = MediaFitter(64), set()
  for path, _, names in os.walk(folder):
    for name in names:
      try:
        medium = Media('image', os.path.join(path, name))
        data = media_reader.read_file(medium)
        look = fitter.fit(dataclasses.replace(medium, data=data)).look
        found.add(identity(look, data))
      except MediumError as error:
        if error.reason == 'cannot be read':  # is it one of those?
          raise UserError(f'{os.fspath(folder)}: {error}') from None
      except Dropped:
        continue  # annotations lie beside images
  if not found:
    raise UserError(
        f'{os.fspath(folder)} holds no image; name the folder whose images are '
        'to be kept out'
    )
  return tuple(sorted(found, key=str))



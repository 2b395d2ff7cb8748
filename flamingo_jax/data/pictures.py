# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoded pictures: opened, decoded, upright, as sRGB on white."""

import io
import math

import numpy as np
import PIL.Image
import PIL.ImageCms
import PIL.PngImagePlugin

from flamingo_jax.errors import UserError

# Bytes of a file that is read whole: every image; of videos, animations and
# what `flamingo prepare` stores.
LARGEST = {'image': 2**26, 'video': 2**30, 'features': 2**30}
# Formats that hold animations. Others with several frames hold variants of one
# picture (MPO, from phones), of which the first is the picture.
_ANIMATED_FORMATS = frozenset({'GIF', 'WEBP', 'PNG', 'AVIF'})
_PNG = b'\x89PNG\r\n\x1a\n'
# Chunks of a PNG that decide no pixel here.
_REMARKS = frozenset({b'tEXt', b'zTXt', b'iTXt', b'iCCP'})
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


class MediumError(UserError):
  """A medium that cannot be used.

  Attributes:
    reason: one of few, such as 'is corrupt'.
  """

  def __init__(self, reason: str, sentence: str):
    super().__init__(sentence)
    self.reason = reason


def failed(name: str, error: Exception) -> MediumError:
  """What is said of a file at which a decoder or the disk fails."""
  if isinstance(error, OSError) and error.errno:
    return MediumError(
        'cannot be read',
        f'{name} cannot be read ({error.strerror}); correct the path, its'
        ' permissions or the disk',
    )
  return MediumError(
      'is corrupt',
      f'{name} is corrupt or cut short ({error}); copy or export it again',
  )


def too_large(kind: str, name: str, size: str) -> MediumError:
  """What is said of a file that has more bytes than `LARGEST`."""
  return MediumError(
      'is too large',
      f'{kind} {name} has {size} bytes, and {LARGEST[kind]:,} are the most;'
      ' make it smaller',
  )


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
    MediumError: not an image, corrupt, truncated, animated, or beyond 178 Mpx.
  """
  picture = open_image(io.BytesIO(data), name)
  if size is not None:
    scale = 2 * size / max(picture.size)
    if scale < 1:
      # Decoding at full size is most of the cost of reading large photographs.
      picture.draft(None, tuple(math.ceil(scale * n) for n in picture.size))
  return finish(picture, name)


def open_image(
    file: io.BufferedIOBase, name: str, still: bool = True
) -> PIL.Image.Image:
  """Reads the header only; the errors of decode_image as far as it tells.

  `still` refuses animations.
  """
  try:
    begins = file.read(8)
    file.seek(0)
    if not begins:
      raise MediumError(
          'is empty', f'{name} is empty (0 bytes); copy or export it again'
      )
    picture = open_encoded(file)
    frames = getattr(picture, 'n_frames', 1)
  except MediumError:
    raise
  except PIL.Image.DecompressionBombError:
    raise MediumError(
        'has too many pixels',
        f'{name} has more pixels than can be decoded safely (178 million);'
        ' make it smaller',
    ) from None
  except PIL.UnidentifiedImageError:
    raise MediumError(
        'has an unknown format',
        f'{name} is not an image of a known format (it begins with'
        f' {begins!r}); export it as JPEG or PNG',
    ) from None
  except Exception as error:  # decoders of broken data raise anything
    raise failed(name, error) from None
  if still and frames > 1 and picture.format in _ANIMATED_FORMATS:
    raise MediumError(
        'is animated',
        f'{name} is an animated {picture.format} of {frames} frames; pass it as'
        ' a video ({"video": ...}) or export one frame',
    )
  return picture


def open_encoded(file: io.BufferedIOBase) -> PIL.Image.Image:
  """What Pillow opens; of a PNG also what holds too much text for it.

  Raises:
    Exception: Pillow's, of any kind.
  """
  is_png = file.read(len(_PNG)) == _PNG
  file.seek(0)
  return PIL.Image.open(_without_refused(file) if is_png else file)


def _without_refused(file: io.BufferedIOBase) -> io.BufferedIOBase:
  """A PNG without the texts and profiles for which Pillow refuses all of it.

  They are larger than its limits (a megabyte each, 64 in all) or damaged. Of
  an animation all count again each time that it is read, so none is kept.
  """
  kept, refused, is_animated = [(0, len(_PNG))], False, False
  file.seek(len(_PNG))
  chunks = PIL.PngImagePlugin.PngStream(file)
  while head := file.read(8):
    length, name = int.from_bytes(head[:4]), head[4:]
    begin, end = file.tell(), file.tell() + length + 4  # and its checksum
    is_animated |= name == b'acTL'
    if name in _REMARKS and (is_animated or _refuses(chunks, name, length)):
      refused = True
    else:
      kept.append((begin - 8, end))
    if name == b'IEND':
      break
    file.seek(end)
  file.seek(0)
  if not refused:
    return file
  data = memoryview(file.read())
  return io.BytesIO(b''.join(data[begin:end] for begin, end in kept))


def _refuses(
    chunks: PIL.PngImagePlugin.PngStream, name: bytes, length: int
) -> bool:
  try:
    chunks.crc(name, chunks.call(name, 0, length))
    return False
  except (ValueError, SyntaxError, IndexError):
    return True


def finish(picture: PIL.Image.Image, name: str) -> PIL.Image.Image:
  """An opened picture as RGB, upright and on white.

  Raises:
    MediumError: it is corrupt or of samples that are no picture's.
  """
  try:
    picture.load()
    return to_rgb(_upright(picture), name)
  except MediumError:
    raise
  except Exception as error:  # decoders of broken data raise anything
    raise failed(name, error) from None


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
  """Turned as EXIF says; itself if it is upright."""
  try:
    turn = _TURNS.get(picture.getexif().get(_ORIENTATION))
  except Exception:  # as browsers do: broken EXIF says nothing about pixels
    turn = None
  return picture if turn is None else picture.transpose(turn)


def to_rgb(picture: PIL.Image.Image, name: str) -> PIL.Image.Image:
  """Any mode of PIL to RGB on white; the picture itself if it is that."""
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
    raise MediumError(
        'is corrupt',
        f'{name} has samples of {gray.min():g} to {gray.max():g}, which are not'
        ' those of an 8-bit or 16-bit picture; export it as 8-bit PNG or JPEG',
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

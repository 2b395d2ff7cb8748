# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a public vision encoder says of the pictures that it reads."""

import dataclasses
import math
import os
import pathlib
from typing import Any

from flamingo_jax.convert.hub_folder import Attributes, read_json
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import PictureSize, Squaring

_FILE = 'preprocessor_config.json'
_FILTERS = {2: 'bilinear', 3: 'bicubic'}  # by Pillow's numbers
_PROCESSOR = 'processor_config.json'  # the same as a part, in newer folders


@dataclasses.dataclass(frozen=True)
class Pixels:
  """Size and statistics of pictures, and how they become squares."""

  size: PictureSize
  mean: tuple[float, ...]  # of pixels in [0, 1], by channel
  std: tuple[float, ...]
  path: str  # where it is said, for messages


def read_pixels(folder: pathlib.Path) -> Pixels:
  """Of a folder of the hub.

  Raises:
    UserError: there is no such file, or it has values that are not known here.
  """
  path, values = folder / _FILE, None
  if not path.exists() and (folder / _PROCESSOR).exists():
    path = folder / _PROCESSOR
    values = read_json(path).get('image_processor')
    if not isinstance(values, dict):
      raise UserError(f'{path} has no image_processor; use the whole folder of '
                      'the model')
  values = Attributes(values or read_json(path), os.fspath(path))
  values.expect('do_rescale', True, None)
  factor = values.number('rescale_factor', 1 / 255)
  if abs(factor * 255 - 1) > 1e-6:
    raise UserError(
        f'{path}: rescale_factor is {factor}, and 1/255 is what is known here; '
        'the model would compute something else'
    )
  mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
  if values.take('do_normalize', True):
    mean, std = (
        of_channels(values, name) for name in ('image_mean', 'image_std')
    )
  return Pixels(_size(values), mean, std, os.fspath(path))


def _size(values: Attributes) -> PictureSize:
  """As transformers' processors of images understand it."""
  values.expect('do_resize', True, None)
  most = values.count_if_any('max_image_tiles')
  values.expect('do_pad', *((False, None) if most is None else (True, None)))
  number = values.take('resample', 3 if most is None else 2)
  if type(number) is not int or number not in _FILTERS:
    raise UserError(
        f'{values.path}: resample is {number!r}, and 2 (bilinear) and 3 (bicubic)'
        ' are known here; the model would see something else'
    )
  size, crop = values.take_if_any('size'), values.take_if_any('crop_size')
  if str(values.take_if_any('image_processor_type')).startswith('IdeficsImage'):
    both = values.take_if_any('image_size')  # which goes before `size`
    size = size if both is None else {'height': both, 'width': both}
  resized = side(size, f'{values.path}: the size')
  if most is not None:
    return PictureSize(
        resized, Squaring('tiled', _FILTERS[number], tiles=most)
    )
  if not values.take('do_center_crop', crop is not None):
    crop = None
  if crop is not None:
    crop = side(crop, f'{values.path}: crop_size')
  is_stretched = isinstance(size, list) or (
      isinstance(size, dict) and size.keys() == {'height', 'width'}
  )
  keeps_shape = type(size) is int or (
      isinstance(size, dict) and size.keys() == {'shortest_edge'}
  )
  if is_stretched and crop in (None, resized):
    return PictureSize(resized, Squaring('stretched', _FILTERS[number]))
  if keeps_shape and crop is not None and crop <= resized:
    return PictureSize(crop, Squaring('cropped', _FILTERS[number], resized))
  raise UserError(
      f'{values.path}: of size {size!r} and crop_size {crop!r} no squares are '
      "made that are known here: give size 'height' and 'width', or "
      "'shortest_edge' and a crop_size that is no larger"
  )


def side(size: Any, what: str) -> int:
  """Of a square, as files write it: 224, [224, 224] or {'height': 224, ...}.

  Raises:
    UserError: it is none; `what` begins the sentence.
  """
  sides = size
  if isinstance(size, dict):
    sides = list(size.values())
  elif not isinstance(size, list):
    sides = [size]
  if not sides or type(sides[0]) is not int or sides[0] < 1 or any(
      x != sides[0] for x in sides
  ):
    raise UserError(
        f'{what} is {size!r} and has to be a whole number of pixels a side, of '
        'squares'
    )
  return sides[0]


def of_channels(values: Attributes, name: str) -> tuple[float, ...]:
  """Of red, green and blue; UserError if they are no three numbers.

  Those of a deviation have to be above 0; a mean may be 0.
  """
  found, least = values.take(name), 0 if 'mean' in name else 1e-6
  if not isinstance(found, list) or len(found) != 3 or not all(
      type(x) in (int, float) and least <= x < math.inf for x in found
  ):
    raise UserError(f'{values.path}: {name} is {found!r} and has to be three '
                    f'numbers{"" if "mean" in name else " above 0"}')
  return tuple(map(float, found))

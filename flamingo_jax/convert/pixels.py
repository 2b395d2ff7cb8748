# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a public vision encoder says of the pixels that it reads."""

import dataclasses
import os
import pathlib
from typing import Any

from flamingo_jax.convert.hub_folder import Attributes, read_json
from flamingo_jax.errors import UserError

_FILE = 'preprocessor_config.json'
_PROCESSOR = 'processor_config.json'  # the same as a part, in newer folders


@dataclasses.dataclass(frozen=True)
class Pixels:
  """Size and statistics of pictures; how they get this size is ours."""

  size: int  # a side
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
  size, crop = values.take_if_any('size'), values.take_if_any('crop_size')
  if crop is not None and values.take('do_center_crop', True):
    size = crop
  return Pixels(side(size, f'{path}: the size'), mean, std, os.fspath(path))


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
  if not sides or len(set(sides)) != 1 or type(sides[0]) is not int or (
      sides[0] < 1
  ):
    raise UserError(
        f'{what} is {size!r} and has to be a whole number of pixels a side, of '
        'squares'
    )
  return sides[0]


def of_channels(values: Attributes, name: str) -> tuple[float, ...]:
  """Of red, green and blue; UserError if they are no three numbers above 0."""
  found = values.take(name)
  if not isinstance(found, list) or len(found) != 3 or not all(
      type(x) in (int, float) and x > 0 for x in found
  ):
    raise UserError(f'{values.path}: {name} is {found!r} and has to be three '
                    'numbers above 0')
  return tuple(map(float, found))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What an encoder reads of a frame: a square of a picture, or an array."""

from collections.abc import Mapping
import dataclasses
from typing import ClassVar

from flamingo_jax.errors import UserError

_WAYS = ('padded', 'cropped', 'stretched', 'tiled')
_FILTERS = ('bilinear', 'bicubic')


@dataclasses.dataclass(frozen=True)
class Squaring:
  """How a picture of any shape becomes a square; the defaults are Flamingo's.

  padded: the longer side gets the size, the rest the mean colour (B.1.2).
  cropped: the shorter side gets so many pixels, then the middle is cut out.
  stretched: both sides get the size, or more, and the middle is cut out too.
  tiled: it becomes several squares (data/tiles.py).
  """

  way: str = 'padded'
  filter: str = 'bicubic'  # antialiased
  # Pixels of the shorter side before the middle is cut out, of what is stretched
  # both sides'; 0: nothing is cut off.
  shorter: int = 0
  # Whether half a pixel at the cut is rounded to the even side, as torchvision
  # does, and not down, as transformers does.
  rounds: bool = False
  tiles: int = 0  # at most, of what is tiled

  def __post_init__(self):
    for name, allowed in (('way', _WAYS), ('filter', _FILTERS)):
      if getattr(self, name) not in allowed:
        raise UserError(
            f'squaring.{name} is {getattr(self, name)!r} and must be one of '
            f'{", ".join(allowed)}'
        )
    if (self.way == 'tiled') != (self.tiles > 0):
      raise UserError(
          f'squaring.tiles is {self.tiles}, and squaring.way {self.way!r}: only '
          'what is tiled has tiles, at least 1'
      )

  @property
  def places(self) -> int:
    """Squares that a picture has room for, as videos have for frames."""
    return self.tiles + 1

  def __str__(self) -> str:
    what = self.way
    if self.tiles:
      what += f', at most {self.tiles}'
    if self.way == 'cropped':
      what += f' from a shorter side of {self.shorter} pixels'
    elif self.shorter:
      what += f' to {self.shorter} pixels a side and cropped'
    return f'{what} ({self.filter})'


class PictureSize(int):
  """Pixels a side of squares, and how pictures become these.

  A number, as it is the 'image_size' of the lengths of a seqio task; a plain
  number there is one of Flamingo's own squares.
  """

  squaring: Squaring

  def __new__(cls, side: int, squaring: Squaring | None = None):
    size = super().__new__(cls, side)
    size.squaring = (
        squaring or getattr(side, 'squaring', None) or Squaring()
    )
    return size

  @property
  def shape(self) -> tuple[int, int, int]:
    """Of a frame: pixels and their colours."""
    return int(self), int(self), 3

  @property
  def dtype(self) -> str:
    """Of a frame."""
    return 'uint8'

  @property
  def places(self) -> int:
    """Frames that an image has room for: one, or those of its tiles."""
    return self.squaring.places


@dataclasses.dataclass(frozen=True)
class ArraySize:
  """The arrays that are the frames of models of other media than pictures.

  It is the 'image_size' of the lengths of their tasks, as a PictureSize is of
  others.
  """

  positions: int  # P: places of a frame
  channels: int  # C: numbers of each place
  dtype: ClassVar[str] = 'float32'
  places: ClassVar[int] = 1

  @property
  def shape(self) -> tuple[int, int]:
    """Of a frame."""
    return self.positions, self.channels

  def __str__(self) -> str:
    return f'{self.positions} x {self.channels}'


# What an encoder reads of a frame.
FrameSize = PictureSize | ArraySize
# Of an example of a task: its 'tokens', 'media', 'frames' and 'image_size', where
# pictures have a number.
Lengths = Mapping[str, int | ArraySize]


def frame_size(size: int | FrameSize) -> FrameSize:
  """Of the 'image_size' of lengths; a number is pixels a side."""
  return size if isinstance(size, ArraySize) else PictureSize(size)

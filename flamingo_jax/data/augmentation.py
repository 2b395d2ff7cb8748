# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of training pictures (Flamingo B.1.2)."""

from collections.abc import Callable, Mapping
import dataclasses
import math
import operator
import types

import numpy as np

from flamingo_jax.errors import UserError

# Factors of brightness, contrast and saturation lie within 1 -+ this. The paper
# does not say how strong its augmentation is.
_STRENGTH = 0.2
# Of a move: the logarithm of the scale, the turn in radians, and the shifts as
# parts of the sides lie within -+ these.
_ZOOM, _TURN, _SHIFT = 0.25, 0.2, 0.07
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2: how bright a colour is
_EVERY = 16  # a picture's mean is taken of every 16th of its rows
# float32[3 4] from colours to colours; what stands in the last column is added.
_KEEP = np.eye(3, 4, dtype=np.float32)
_TO_GRAY = np.array([(*_LUMA, 0)] * 3, np.float32)


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """What is done to pictures besides changing their colours."""

  flip: bool = False  # left and right, half of them
  move: bool = False  # shift, scale and turn them a little


AUGMENTATIONS: Mapping[str, Augmentation | None] = {
    '': None,
    # The paper's; not for texts that tell left from right.
    'flipped': Augmentation(flip=True),
    # For few pictures, which a vision encoder would know by heart otherwise.
    'moved': Augmentation(move=True),
}


def get(name: str) -> Augmentation | None:
  """A row of `AUGMENTATIONS`; UserError if there is none of that name."""
  if name not in AUGMENTATIONS:
    raise UserError(
        f'augment is {name!r}: it can be '
        f'{", ".join(map(repr, AUGMENTATIONS))}'
    )
  return AUGMENTATIONS[name]


def draw(
    augmentation: Augmentation, rng: np.random.Generator
) -> Callable[[np.ndarray, np.ndarray], None]:
  """One augmentation, the same for all frames of a medium.

  All change brightness, contrast (about the picture's mean) and saturation a
  little. The three are one product with a matrix: a picture is passed over
  once, and nothing is cut off between them. What is moved over an edge is lost,
  and what comes in there repeats the edge.

  Returns:
    A function of a picture uint8[h w 3] and of another, where it writes the
    result: whole numbers within 1 of the product, as OpenCV's are, which has 10
    bits for fractions.

  Raises:
    UserError: OpenCV is not installed.
  """
  cv2 = _import_cv2()
  coin, *u = rng.random(4).tolist()
  brightness, contrast, saturation = (1 + _STRENGTH * (2 * x - 1) for x in u)
  flips = augmentation.flip and coin < 0.5
  move = _draw_move(rng) if augmentation.move else None
  scale = brightness * contrast
  matrix = scale * saturation * _KEEP + scale * (1 - saturation) * _TO_GRAY

  def augment(pixels: np.ndarray, out: np.ndarray) -> None:
    mean = sum(map(operator.mul, _LUMA, cv2.mean(pixels[::_EVERY])))
    matrix[:, 3] = (1 - contrast) * brightness * mean
    cv2.transform(pixels, matrix, out)
    if flips:
      cv2.flip(out, 1, out)  # 1: left and right
    if move:
      height, width = out.shape[:2]
      out[...] = cv2.warpAffine(
          out, move(height, width), (width, height), flags=cv2.INTER_LINEAR,
          borderMode=cv2.BORDER_REPLICATE,
      )

  return augment


def _draw_move(
    rng: np.random.Generator
) -> Callable[[int, int], np.ndarray]:
  """From a height and width to float64[2 3], from places to places (x, y)."""
  zoom, turn, *shift = rng.uniform(-1, 1, 4)
  scale, angle = math.exp(_ZOOM * zoom), _TURN * turn
  cos, sin = scale * math.cos(angle), scale * math.sin(angle)
  linear = np.array([[cos, -sin], [sin, cos]])

  def move(height: int, width: int) -> np.ndarray:
    sides = np.array([width, height])
    centre = (sides - 1) / 2
    # The centre goes to itself, but for the shift.
    offset = centre - linear @ centre + _SHIFT * sides * shift
    return np.column_stack([linear, offset])

  return move


def _import_cv2() -> types.ModuleType:
  try:
    import cv2  # a large library that only training needs
  except ImportError:
    raise UserError(
        'the colours of training pictures are changed with OpenCV, which is not'
        " installed; `pip install -e '.[train]' -c constraints.txt`"
    ) from None
  return cv2

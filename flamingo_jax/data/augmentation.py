# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random flips and colours of training pictures (Flamingo B.1.2)."""

from collections.abc import Callable
import operator
import types

import numpy as np

from flamingo_jax.errors import UserError

# Factors of brightness, contrast and saturation lie within 1 -+ this. The paper
# does not say how strong its augmentation is.
_STRENGTH = 0.2
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2: how bright a colour is
_EVERY = 16  # a picture's mean is taken of every 16th of its rows
# float32[3 4] from colours to colours; what stands in the last column is added.
_KEEP = np.eye(3, 4, dtype=np.float32)
_TO_GRAY = np.array([(*_LUMA, 0)] * 3, np.float32)


def draw(
    rng: np.random.Generator,
) -> Callable[[np.ndarray, np.ndarray], None]:
  """One augmentation, the same for all frames of a medium, of four numbers.

  Half of them flip left and right; all change brightness, contrast (about the
  picture's mean) and saturation a little. The three are one product with a
  matrix: a picture is passed over once, and nothing is cut off between them.

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
  scale = brightness * contrast
  matrix = scale * saturation * _KEEP + scale * (1 - saturation) * _TO_GRAY

  def augment(pixels: np.ndarray, out: np.ndarray) -> None:
    mean = sum(map(operator.mul, _LUMA, cv2.mean(pixels[::_EVERY])))
    matrix[:, 3] = (1 - contrast) * brightness * mean
    cv2.transform(pixels, matrix, out)
    if coin < 0.5:
      cv2.flip(out, 1, out)  # 1: left and right

  return augment


def _import_cv2() -> types.ModuleType:
  try:
    import cv2  # a large library that only training needs
  except ImportError:
    raise UserError(
        'the colours of training pictures are changed with OpenCV, which is not'
        " installed; `pip install -e '.[train]' -c constraints.txt`"
    ) from None
  return cv2

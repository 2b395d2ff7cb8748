# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random flips and colours of training pictures (Flamingo B.1.2)."""

from collections.abc import Callable

import numpy as np
import PIL.Image

# Factors of brightness, contrast and saturation lie within 1 -+ this. The paper
# does not say how strong its augmentation is.
_STRENGTH = 0.2
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2: how bright a colour is
_REDUCED = 8  # times, before a picture's mean is taken


def draw(
    rng: np.random.Generator,
) -> Callable[[PIL.Image.Image], PIL.Image.Image]:
  """One augmentation, the same for all frames of a medium.

  Half of them flip left and right; all change brightness, contrast (about the
  picture's mean) and saturation a little. The three are one product with a
  matrix: a picture is passed over once, and nothing is cut off between them.

  Args:
    rng: gives four numbers.

  Returns:
    A function from RGB to RGB.
  """
  coin, *u = rng.random(4)
  brightness, contrast, saturation = 1 + _STRENGTH * (2 * np.array(u) - 1)
  mix = saturation * np.eye(3) + (1 - saturation) * _LUMA  # [to, from]

  def augment(image: PIL.Image.Image) -> PIL.Image.Image:
    mean = np.asarray(image.reduce(_REDUCED)).mean((0, 1)) @ _LUMA
    offset = np.full((3, 1), (1 - contrast) * brightness * mean)
    matrix = np.hstack([brightness * contrast * mix, offset])
    if coin < 0.5:
      image = image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return image.convert('RGB', tuple(matrix.ravel().tolist()))

  return augment

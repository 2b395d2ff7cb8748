# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random flips and colours of training pictures (Flamingo B.1.2)."""

from collections.abc import Callable

import numpy as np
import PIL.Image
import PIL.ImageEnhance

# Factors of brightness, contrast and saturation lie within 1 -+ this. The paper
# does not say how strong its augmentation is.
_STRENGTH = 0.2


def draw(
    rng: np.random.Generator,
) -> Callable[[PIL.Image.Image], PIL.Image.Image]:
  """One augmentation, the same for all frames of a medium.

  Half of them flip left and right; all change the colours a little.

  Args:
    rng: gives four numbers.

  Returns:
    A function from RGB to RGB.
  """
  coin, *u = rng.random(4)
  factors = [float(1 + _STRENGTH * (2 * x - 1)) for x in u]

  def augment(image: PIL.Image.Image) -> PIL.Image.Image:
    if coin < 0.5:
      image = image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    for enhance, factor in zip(
        (PIL.ImageEnhance.Brightness, PIL.ImageEnhance.Contrast,
         PIL.ImageEnhance.Color),
        factors,
    ):
      image = enhance(image).enhance(factor)
    return image

  return augment

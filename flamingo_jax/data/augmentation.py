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
_SAMPLES = 16  # rows and columns of pixels that a picture's mean is taken of
_AT_ONCE = 8192  # pixels, so that what is computed stays in the cache


def draw(
    rng: np.random.Generator,
) -> Callable[[PIL.Image.Image, np.ndarray], None]:
  """One augmentation, the same for all frames of a medium.

  Half of them flip left and right; all change brightness, contrast (about the
  picture's mean) and saturation a little. The three are one product with a
  matrix: a picture is passed over once, and nothing is cut off between them.

  Args:
    rng: gives four numbers.

  Returns:
    A function of an RGB picture and of uint8[h w 3], where it writes the result.
  """
  coin, *u = rng.random(4)
  brightness, contrast, saturation = 1 + _STRENGTH * (2 * np.array(u) - 1)
  mix = saturation * np.eye(3) + (1 - saturation) * _LUMA  # [to, from]
  matrix = (brightness * contrast * mix).T.astype(np.float32, order='C')

  def augment(image: PIL.Image.Image, out: np.ndarray) -> None:
    sample = image.resize((_SAMPLES, _SAMPLES), PIL.Image.Resampling.NEAREST)
    mean = np.asarray(sample).mean((0, 1)) @ _LUMA
    shift = float((1 - contrast) * brightness * mean + 0.5)
    if coin < 0.5:
      # Of four bytes a pixel, which is ten times as fast as of an array's three.
      image = image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    rows = max(1, _AT_ONCE // image.width)
    pixels = np.asarray(image)
    for top in range(0, image.height, rows):
      strip = pixels[top : top + rows].astype(np.float32) @ matrix
      strip += shift
      np.clip(strip, 0, 255, out=strip)
      np.copyto(out[top : top + rows], strip, casting='unsafe')

  return augment

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits: real pictures for episodes of the shapes world.

The 1797 digits of 8 x 8 pixels that come with scikit-learn (Alpaydin and
Kaynak, Optical Recognition of Handwritten Digits, CC BY 4.0). Training shows
four of five pictures of the digits 0 to 7, and no 8 or 9.
"""

from collections.abc import Mapping, Sequence
import functools
import types

import numpy as np
from PIL import Image

from flamingo_jax.data import documents
from flamingo_jax.errors import UserError

NAMES = (
    'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight',
    'nine',
)
HELD_OUT = (8, 9)
SEEN = tuple(range(8))
# Quarter turns make other figures of digits; a half would make a 9 of a 6.
TURNED = {
    'left': Image.Transpose.ROTATE_90, 'right': Image.Transpose.ROTATE_270
}
_SIZE = 64  # pixels


@functools.cache
def load() -> tuple[np.ndarray, np.ndarray]:
  """uint8[1797 8 8] pictures, dark on white, and int[1797] what they show.

  Raises:
    UserError: scikit-learn is not installed.
  """
  try:
    from sklearn import datasets  # pylint: disable=g-import-not-at-top
  except ImportError:
    raise UserError(
        'the handwritten digits come with scikit-learn, which is not installed:'
        ' pip install scikit-learn'
    ) from None
  found = datasets.load_digits()
  return (255 - found.images * (255 / 16)).astype(np.uint8), found.target


@functools.cache
def places(digit: int, is_training: bool) -> np.ndarray:
  """Where the pictures of a digit are that training shows, or the others."""
  _, target = load()
  found = np.flatnonzero(target == digit)
  held_back = (np.arange(len(found)) % 5 == 0) | (digit in HELD_OUT)
  return found[held_back != is_training]


def draw(
    rng: np.random.Generator,
    values: Sequence[int],
    is_training: bool,
    turned: Mapping[int, str] = types.MappingProxyType({}),
) -> list[documents.Media]:
  """A picture of each digit, drawn from those of its split; none comes twice.

  Args:
    rng: draws them.
    values: digits, of each no more than its split has pictures.
    is_training: of which split.
    turned: for each digit of TURNED, or '' as those that are left out.
  """
  left = {
      digit: rng.permutation(places(digit, is_training)).tolist()
      for digit in sorted(set(values))
  }
  return [
      _show(left[digit].pop(), turned.get(digit, '')) for digit in values
  ]


def _show(place: int, turned: str) -> documents.Media:
  pictures, _ = load()
  small = Image.fromarray(pictures[place])
  if turned:
    small = small.transpose(TURNED[turned])
  large = small.resize((_SIZE, _SIZE), Image.Resampling.BICUBIC)
  return documents.image(large.convert('RGB'))


def caption(digit: int, turned: str = '') -> str:
  """'a handwritten seven', 'a handwritten seven turned left'."""
  return f'a handwritten {NAMES[digit]}' + (f' turned {turned}' if turned else '')

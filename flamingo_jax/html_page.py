# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages that need no other file, from the templates in assets/pages."""

import base64
import functools
import io
import re
from typing import Any

import jinja2
import markupsafe
import numpy as np
import PIL.Image

# What no one sees, or what no page may hold: controls, of the direction of text
# too, which have what follows read backwards, and halves of pairs, which are
# what Python makes of the bytes of file names that are no text.
_UNSEEN = re.compile(
    '[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e'
    '\u2066-\u2069\ud800-\udfff]'
)

_CELLS = 128  # of a side of a heat map, at most
# Of its least and its greatest number.
_BLUE, _RED = np.array([5, 80, 174]), np.array([185, 28, 28])


def render(template: str, **values: Any) -> str:
  """A page; all values are escaped, and what is unseen is written out."""
  return _templates().get_template(template).render(values)


@functools.cache
def _templates() -> jinja2.Environment:
  return jinja2.Environment(
      loader=jinja2.PackageLoader('flamingo_jax', 'assets/pages'),
      autoescape=True, finalize=_visible, undefined=jinja2.StrictUndefined,
      trim_blocks=True, lstrip_blocks=True,
  )


def _visible(value: Any) -> Any:
  if isinstance(value, (markupsafe.Markup, jinja2.Undefined)):
    return value
  return _UNSEEN.sub(lambda match: f'\\u{ord(match[0]):04x}', str(value))


def photograph(pixels: np.ndarray) -> str:
  """uint8[h w 3] as the source of an <img>."""
  buffer = io.BytesIO()
  PIL.Image.fromarray(pixels).save(buffer, 'JPEG', quality=85)
  return data_uri(buffer.getvalue(), 'jpeg')


def heat_map(array: np.ndarray) -> str:
  """float[T P C] as the source of an <img>: a column of numbers for each frame.

  Of one frame, for each of its positions. White is 0; the deepest blue and red
  are the number farthest from it. Of many neighbours the mean is shown.
  """
  frames, positions, channels = array.shape
  columns = frames if frames > 1 else positions
  table = np.asarray(array, np.float32).reshape(columns, -1).T
  for axis, size in enumerate(table.shape):
    starts = np.unique(np.linspace(0, size, min(size, _CELLS), False).astype(int))
    counts = np.diff([*starts, size])
    table = np.add.reduceat(table, starts, axis)
    table = table / (counts[:, None] if axis == 0 else counts)
  share = (table / (np.abs(table).max() or 1.0))[..., None]
  pixels = 255 + np.abs(share) * (np.where(share > 0, _RED, _BLUE) - 255)
  scale = -(-_CELLS // max(table.shape))  # whole pixels, all of one size
  pixels = np.repeat(np.repeat(pixels, scale, 0), scale, 1)
  buffer = io.BytesIO()
  PIL.Image.fromarray(np.rint(pixels).astype(np.uint8)).save(buffer, 'PNG')
  return data_uri(buffer.getvalue(), 'png')


def data_uri(encoded: bytes, kind: str) -> str:
  """A 'jpeg' or 'png' as the source of an <img>."""
  return f'data:image/{kind};base64,{base64.b64encode(encoded).decode()}'

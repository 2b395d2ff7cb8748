# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoded pictures, for tests that read them."""

import io

import numpy as np
import PIL.Image


def encode(picture, format='PNG', **options):
  """The bytes of a file; a picture is PIL's or uint8[h w 3]."""
  if isinstance(picture, np.ndarray):
    picture = PIL.Image.fromarray(picture)
  buffer = io.BytesIO()
  picture.save(buffer, format, **options)
  return buffer.getvalue()


def animate(pictures, format, **options):
  """The bytes of an animation."""
  return encode(
      pictures[0], format, save_all=True, append_images=pictures[1:], **options
  )


def png(red, size=(4, 4)):
  """A file of one colour."""
  return encode(PIL.Image.new('RGB', size, (red, 0, 0)))

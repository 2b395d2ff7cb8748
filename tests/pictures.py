# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Encoded pictures, for tests that read them."""

import io
import struct
import zlib

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


def png_by_hand(width, height, rows, bits=8, color_type=2):
  """A PNG of whatever its header claims, and of modes that PIL cannot write."""
  def chunk(name, body):
    checked = name + body
    return (struct.pack('>I', len(body)) + checked
            + struct.pack('>I', zlib.crc32(checked)))

  header = struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0)
  return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header)
          + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))

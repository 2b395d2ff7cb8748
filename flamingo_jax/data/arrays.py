# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Media that are arrays of numbers: .npy files of float[T P C].

T frames of P positions with C numbers each, float32 or float16: what another
program has made of a sound, a protein or a robot's state, or what was measured.
Files are mapped into memory, so that no more of them is read than is used.
Numbers that are not finite, and float64, are refused: nothing is rounded unseen.
"""

import io
import math
import re

import numpy as np

from flamingo_jax.data.pictures import MediumError
from flamingo_jax.picture_size import ArraySize, FrameSize, frame_size

_MAGIC = b'\x93NUMPY'
_LONGEST = 10_000  # bytes of a header, as NumPy has it
# Of a header such as {'descr': '<f4', 'fortran_order': False, 'shape': (8, 1, 6)}.
_FIELDS = {
    'descr': '[\'"]([^\'"]*)[\'"]', 'fortran_order': '(True|False)',
    'shape': r'\(([\d, ]*)\)',
}
_SAVE = "numpy.save('x.npy', array.astype('float32'))"


def check(array: np.ndarray, name: str) -> np.ndarray:
  """The array, if it may be a medium, whatever its numbers.

  Raises:
    MediumError: another dtype or shape.
  """
  if array.dtype.kind != 'f' or array.dtype.itemsize not in (2, 4):
    raise MediumError(
        'has another dtype',
        f'{name} has numbers of {array.dtype}, and must be of float32 or '
        f'float16; convert it, as by {_SAVE}',
    )
  if array.ndim != 3 or 0 in array.shape:
    raise MediumError(
        'has another shape',
        f'{name} has shape {list(array.shape)}, and must have [frames, '
        'positions, channels], each at least 1; reshape it, of one frame to '
        '[1, positions, channels]',
    )
  return array


def check_finite(array: np.ndarray, name: str) -> None:
  """Raises MediumError if a number is NaN or infinite."""
  finite = np.isfinite(array)
  if finite.all():
    return
  first = np.unravel_index(np.argmin(finite), array.shape)
  place = ', '.join(map(str, first))
  raise MediumError(
      'has numbers that are not finite',
      f'{name} has {array[first]} at [{place}], and {np.sum(~finite):,} of '
      f'{array.size:,} numbers are not finite; replace them, or leave it out',
  )


def check_fits(
    array: np.ndarray, name: str, size: FrameSize, frames: int | None
) -> None:
  """Raises MediumError unless a model's frames are such as those of an array.

  Args:
    array: float[T P C].
    name: what messages call it.
    size: of the model's frames.
    frames: that it has room for; None: any number.
  """
  if not isinstance(size, ArraySize):
    raise MediumError(
        'is not a picture',
        f'{name} is an array, where pictures are read; give an image or video, '
        'or a model of arrays (configs/own_features.gin)',
    )
  if array.shape[1:] != size.shape:
    raise MediumError(
        'has another shape',
        f'{name} has frames of {ArraySize(*array.shape[1:])} (positions x '
        f'channels), where those of {size} are read; make all arrays alike',
    )
  if frames is not None and len(array) > frames:
    raise MediumError(
        'has too many frames',
        f'{name} has {len(array)} frames, and there is room for {frames}; give '
        f'frames={len(array)} (in training --gin.FRAMES={len(array)}), or cut '
        'it into several',
    )


def open_array(file: io.BufferedIOBase, name: str) -> np.ndarray:
  """An array float[T P C] of an open .npy file, mapped into memory if it can be.

  Its numbers are not looked at.

  Raises:
    MediumError: it is none, or cut short, or as of `check`.
  """
  begins = file.read(len(_MAGIC))
  file.seek(0)
  if begins != _MAGIC:
    raise MediumError(
        'has an unknown format',
        f'{name} is not a .npy file (it begins with {begins!r}); save it by '
        f'{_SAVE}',
    )
  try:
    shape, is_fortran, dtype = _read_header(file)
  except (ValueError, TypeError, OSError) as error:
    raise MediumError(
        'is corrupt', f'{name} has no readable header ({error}); save it again',
    ) from None
  # An array that takes no memory tells as much.
  check(np.broadcast_to(np.empty((), dtype), shape), name)
  start = file.tell()
  size = file.seek(0, io.SEEK_END) - start
  needed = math.prod(shape) * dtype.itemsize
  if size < needed:
    raise MediumError(
        'is corrupt',
        f'{name} is cut short (it has {size:,} of {needed:,} bytes); copy it '
        'again',
    )
  order = 'F' if is_fortran else 'C'
  if isinstance(file, io.BytesIO):
    flat = np.frombuffer(file.getvalue(), dtype, math.prod(shape), start)
    return flat.reshape(shape, order=order)
  return np.memmap(file, dtype, 'r', start, shape, order)


def _read_header(
    file: io.BufferedIOBase,
) -> tuple[tuple[int, ...], bool, np.dtype]:
  """Shape, whether it is of Fortran's order, and dtype.

  NumPy's own function calls `ast.literal_eval`, which fails now and then where
  several threads do (SystemError in CPython 3.11), as those that read data.

  Raises:
    ValueError, TypeError, OSError: it is none.
  """
  version = np.lib.format.read_magic(file)[0]
  length = int.from_bytes(file.read(2 if version == 1 else 4), 'little')
  header = file.read(min(length, _LONGEST)).decode('latin-1')
  found = {
      key: match[1] for key, pattern in _FIELDS.items()
      if (match := re.search(f'[\'"]{key}[\'"]: *{pattern}', header))
  }
  if len(found) < len(_FIELDS):
    raise ValueError(f'it is {header.strip()!r}')
  shape = tuple(int(n) for n in found['shape'].split(',') if n.strip())
  return shape, found['fortran_order'] == 'True', np.dtype(found['descr'])


def fill(
    array: np.ndarray, name: str, frames: int, size: int | FrameSize,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """float32[T P C] of `frames` frames, zeros behind the array's, and their mask.

  Raises:
    MediumError: as of `check_fits` and `check_finite`.
  """
  size = frame_size(size)
  check_fits(array, name, size, frames)
  check_finite(array, name)
  if out is None:
    out = np.empty((frames, *size.shape), size.dtype)
  out[: len(array)] = array
  out[len(array) :] = 0
  return out, np.arange(frames) < len(array)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A matrix to a file, as another dtype or transposed, as its rows come."""

from collections.abc import Callable, Iterator
import dataclasses
import errno
import fcntl
import math
import os
import zlib

import numpy as np

_BLOCK = 2**23  # bytes that are written at once
_STRIP = 16  # columns that are transposed at once
# Bytes that are read at once to be transposed: they are in the cache of the
# processor still.
_CACHED = 2**18
_PAGE = 4096  # bytes


@dataclasses.dataclass(frozen=True)
class Matrix:
  """What is written."""

  shape: tuple[int, int]
  # Its rows, so many at a time, which may be in the memory of those before.
  blocks: Callable[[int], Iterator[np.ndarray]]
  is_transposed: bool  # before it is written


def matrix(values: np.ndarray) -> Matrix:
  """Any array, in C order."""
  rows = values.reshape(-1, values.shape[-1] if values.ndim > 1 else values.size)
  is_transposed = abs(rows.strides[0]) < abs(rows.strides[1])
  if is_transposed:
    rows = rows.T
  return Matrix(rows.shape, lambda n: slices(rows, n), is_transposed)


def slices(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
  """An array, so many rows at a time."""
  for begin in range(0, len(rows), count):
    yield rows[begin : begin + count]


class Buffers:
  """Memory that one file after another is made in, by any thread."""

  def __init__(self):
    """Holds none yet."""
    self._free: list[np.ndarray] = []

  def take(self, size: int) -> np.ndarray:
    """Bytes that begin with a page, with any values."""
    try:
      found = self._free.pop()
    except IndexError:
      found = np.empty(0, np.uint8)
    if len(found) < size:
      found = np.empty(size + _PAGE, np.uint8)
      begin = -found.ctypes.data % _PAGE
      found = found[begin : begin + size]
    return found

  def give_back(self, buffer: np.ndarray) -> None:
    """For those who take next."""
    self._free.append(buffer)


def write(
    path: str | os.PathLike, values: Matrix, dtype: np.dtype, buffers: Buffers
) -> int:
  """Writes a new file, which is on the disk then; returns its CRC-32.

  It goes past the page cache where the file system lets it: that would cost
  memory and a copy, and all waits for the disk anyway.

  Raises:
    OSError: it is there already, or cannot be written.
  """
  rows, columns = values.shape[:: -1 if values.is_transposed else 1]
  row = columns * dtype.itemsize
  step = _PAGE // math.gcd(_PAGE, row)  # rows that fill pages
  at_once = min(rows, max(1, _BLOCK // row // step) * step)
  held = rows if values.is_transposed else at_once
  buffer = buffers.take(held * row)
  target = buffer[: held * row].view(dtype).reshape(held, columns)
  checksum = written = 0
  file = _open(path)
  try:
    for block in (_columns if values.is_transposed else _rows)(
        values, target, at_once
    ):
      stored = block.reshape(-1).view(np.uint8)
      checksum = zlib.crc32(stored, checksum)
      _write_at(file, stored, written)
      written += len(stored)
    os.fsync(file)
  finally:
    os.close(file)
  buffers.give_back(buffer)
  return checksum


def _rows(
    values: Matrix, target: np.ndarray, at_once: int
) -> Iterator[np.ndarray]:
  for block in values.blocks(at_once):
    target[: len(block)] = block
    yield target[: len(block)]


def _columns(
    values: Matrix, target: np.ndarray, at_once: int
) -> Iterator[np.ndarray]:
  """All of a matrix, transposed, when its last row has come.

  Strips are narrower than a line of the processor's cache, which takes a
  twentieth of the time of NumPy's order, and copied as integers, as NumPy is slow
  with types that are not its own.
  """
  bits = f'u{target.itemsize}'
  into, at = target.view(bits), 0
  height = max(1, _CACHED // (len(target) * target.itemsize * _STRIP))
  for block in values.blocks(height * _STRIP):
    block = block.astype(target.dtype, copy=False).view(bits)
    for strip in slices(block, _STRIP):
      into[:, at : at + len(strip)] = strip.T
      at += len(strip)
  yield from slices(target, at_once)


def _open(path: str | os.PathLike) -> int:
  flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
  try:
    return os.open(path, flags | getattr(os, 'O_DIRECT', 0), 0o666)
  except OSError as error:
    if error.errno != errno.EINVAL:
      raise
  with_cache = os.O_CREAT | os.O_WRONLY  # some have made the file by now
  return os.open(path, with_cache, 0o666)


def _write_at(file: int, block: np.ndarray, offset: int) -> None:
  done = 0
  while done < len(block):
    try:
      done += os.pwrite(file, block[done:], offset + done)
    except OSError as error:
      flags = fcntl.fcntl(file, fcntl.F_GETFL)
      direct = flags & getattr(os, 'O_DIRECT', 0)
      if error.errno != errno.EINVAL or not direct:
        raise
      # The last block ends within a page.
      fcntl.fcntl(file, fcntl.F_SETFL, flags ^ direct)

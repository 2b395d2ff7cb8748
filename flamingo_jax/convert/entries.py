# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors where they lie, in files or in memory."""

from collections.abc import Iterator
import dataclasses
import math
import pathlib
from typing import BinaryIO

import numpy as np

from flamingo_jax.convert.chunk_file import slices
from flamingo_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Entry:
  """A tensor of a file, whose bytes are read when they are asked for."""

  path: pathlib.Path
  dtype: str  # as safetensors calls it
  shape: tuple[int, ...]
  begin: int  # byte of the file
  # Of each axis, from a value to the next, in values; None: in C order.
  steps: tuple[int, ...] | None = None

  @property
  def span(self) -> int:
    """Values from the first to the last."""
    if self.steps is None or 0 in self.shape:
      return math.prod(self.shape)
    return 1 + sum((n - 1) * x for n, x in zip(self.shape, self.steps))

  def read(self, dtype: np.dtype) -> np.ndarray:
    """The values, which are of this dtype; UserError if the file is cut."""
    values = np.empty(self.span, dtype)
    with self._opened() as file:
      self._fill(values, file)
    if self.steps is None:
      return values.reshape(self.shape)
    return np.lib.stride_tricks.as_strided(
        values, self.shape, [x * values.itemsize for x in self.steps]
    )

  def blocks(self, dtype: np.dtype, rows: int) -> Iterator[np.ndarray]:
    """So many rows at a time, in one memory; UserError if the file is cut."""
    if self.steps is not None:
      yield from slices(self.read(dtype), rows)
      return
    values = np.empty((min(rows, self.shape[0]), *self.shape[1:]), dtype)
    with self._opened() as file:
      for begin in range(0, self.shape[0], rows):
        part = values[: self.shape[0] - begin]
        self._fill(part, file)
        yield part

  def _opened(self) -> BinaryIO:
    """Not mapped: of a file that is cut meanwhile that ends the process."""
    file = open(self.path, 'rb', buffering=0)
    file.seek(self.begin)
    return file

  def _fill(self, values: np.ndarray, file: BinaryIO) -> None:
    rest = memoryview(values.reshape(-1).view(np.uint8))
    while rest:
      count = file.readinto(rest)
      if not count:
        raise UserError(
            f'{self.path} ends within a tensor and was longer before; leave the '
            'files alone while they are converted'
        )
      rest = rest[count:]


@dataclasses.dataclass(frozen=True)
class Held:
  """A tensor of a pickle, as `hub_folder` has those of other files."""

  path: pathlib.Path
  dtype: str  # as safetensors calls it
  values: np.ndarray

  @property
  def shape(self) -> tuple[int, ...]:
    """Of the values."""
    return self.values.shape

  def read(self, dtype: np.dtype) -> np.ndarray:
    """The values, which are of this dtype."""
    return self.values

  def blocks(self, dtype: np.dtype, rows: int) -> Iterator[np.ndarray]:
    """So many rows at a time."""
    yield from slices(self.values, rows)

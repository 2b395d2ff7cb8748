# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes safetensors, in shards where they are large, tensors in any order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import json
import math
import os
import pathlib
import struct

import numpy as np

from flamingo_jax.convert.hub_folder import FLOATS

_NAMES = {dtype: name for name, dtype in FLOATS.items()}
_SHARD = 5 * 10**9  # bytes of a file, unless one tensor has more; as the hub's
_PIECE = 2**26  # bytes that are put in order at once


class SafetensorsFiles:
  """A file of tensors, or several with an index."""

  def __init__(
      self, folder: pathlib.Path,
      tensors: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
      name: str = 'model.safetensors', shard: int = _SHARD,
  ):
    """Makes the files, of which nothing but the tensors' values is missing.

    Args:
      folder: that they are in.
      tensors: dtype and shape of each by name, in the order of the files.
      name: of the file, where one is enough.
      shard: bytes of a file, at most, unless a tensor has more.
    """
    size = lambda name: tensors[name][0].itemsize * math.prod(tensors[name][1])
    shards, held = [[]], 0
    for tensor in tensors:
      if shards[-1] and held + size(tensor) > shard:
        shards.append([])
        held = 0
      shards[-1].append(tensor)
      held += size(tensor)
    stem, suffix = name.rsplit('.', 1)
    names = [name] if len(shards) == 1 else [
        f'{stem}-{i:05}-of-{len(shards):05}.{suffix}'
        for i in range(1, len(shards) + 1)
    ]
    self._dtypes = {name: dtype for name, (dtype, _) in tensors.items()}
    self._places: dict[str, tuple[int, int]] = {}  # file, and byte that is next
    self._files: list[int] = []
    for file, members in zip(names, shards):
      self._files.append(os.open(
          folder / file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666
      ))
      self._begin(members, tensors, size)
    if len(names) > 1:
      (folder / f'{name}.index.json').write_text(json.dumps({
          'metadata': {'total_size': sum(map(size, tensors))},
          'weight_map': {
              tensor: names[i] for tensor, (i, _) in self._places.items()
          },
      }, indent=2) + '\n')

  def _begin(
      self, members: Sequence[str],
      tensors: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
      size: Callable[[str], int],
  ) -> None:
    """Writes a file's header, and makes it as long as it will be."""
    header, end = {'__metadata__': {'format': 'pt'}}, 0  # transformers asks for it
    for name in members:
      dtype, shape = tensors[name]
      header[name] = {'dtype': _NAMES[dtype], 'shape': shape,
                      'data_offsets': [end, end + size(name)]}
      end += size(name)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    text = struct.pack('<Q', len(text)) + text
    file = self._files[-1]
    _write(file, text, 0)
    os.truncate(file, len(text) + end)
    for name in members:
      begin = len(text) + header[name]['data_offsets'][0]
      self._places[name] = len(self._files) - 1, begin

  def write(self, name: str, values: np.ndarray) -> None:
    """A tensor, or what comes of it next in C order."""
    index, begin = self._places[name]
    for piece in in_order(values, self._dtypes[name]):
      _write(self._files[index], piece, begin)
      begin += len(piece)
    self._places[name] = index, begin

  def finish(self) -> None:
    """All of it is on the disk."""
    for file in self._files:
      os.fsync(file)
      os.close(file)
    self._files.clear()


def in_order(values: np.ndarray, dtype: np.dtype) -> Iterator[np.ndarray]:
  """Bytes of an array in C order, as this dtype, some at a time."""
  if values.ndim < 2:
    values = values.reshape(1, -1)
  row = max(1, math.prod(values.shape[1:]) * dtype.itemsize)
  step = max(1, _PIECE // row)
  for begin in range(0, len(values), step):
    part = np.asarray(values[begin : begin + step], dtype, order='C')
    yield part.reshape(-1).view(np.uint8)


def _write(file: int, data: bytes | np.ndarray, begin: int) -> None:
  done = 0
  while done < len(data):
    done += os.pwrite(file, data[done:], begin + done)

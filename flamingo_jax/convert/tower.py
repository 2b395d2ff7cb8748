# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A tower on disk: written piece by piece, read as any run's weights are.

No parameter is ever whole in memory: its stack is a chunk for each layer, which
is a file, written as soon as the layer has been read.
"""

from collections.abc import Mapping
import dataclasses
import math
import pathlib
from typing import Any
import zlib

from etils import epath
from flax import traverse_util
import numpy as np
import orbax.checkpoint as ocp
import tensorstore as ts

from flamingo_jax.convert import chunk_file
from flamingo_jax.convert.chunk_file import Matrix
from flamingo_jax.convert.rules import Path

# Shape, dtype, and how many leading axes are places of pieces, of each leaf.
Leaves = Mapping[Path, tuple[tuple[int, ...], np.dtype, int]]

_SMALLEST_CHUNK = 2**20  # bytes; smaller parameters are one chunk


@dataclasses.dataclass(frozen=True)
class _Unread:
  """A parameter whose values come in pieces."""

  path: Path
  shape: tuple[int, ...]
  dtype: np.dtype
  stacked: int  # leading axes, of which a piece has one place

  @property
  def size(self) -> int:
    return math.prod(self.shape)

  @property
  def ndim(self) -> int:
    return len(self.shape)

  @property
  def piece_bytes(self) -> int:
    """Of the values of a layer."""
    return math.prod(self.shape[self.stacked :]) * self.dtype.itemsize

  @property
  def is_parted(self) -> bool:
    """Whether each piece is a chunk."""
    return self.stacked > 0 and self.piece_bytes >= _SMALLEST_CHUNK

  @property
  def chunk(self) -> tuple[int, ...]:
    """The shape of chunks."""
    places = self.stacked * self.is_parted
    return (1,) * places + self.shape[places:]


class _Described(ocp.type_handlers.NumpyHandler):
  """Writes what describes arrays, and none of their values."""

  def __init__(self):
    super().__init__()
    self.names: dict[Path, str] = {}  # of the folders of their chunks

  async def _open_and_write(self, value, tspec, ts_context):
    store = await ts.open(
        ts.Spec(tspec), create=True, open=True, context=ts_context
    )
    chunk = store.chunk_layout.write_chunk.shape or ()  # None: of a number
    assert chunk == value.chunk, f'{value}: {chunk}'
    self.names[value.path] = pathlib.PurePath(store.kvstore.path).name


class Writer:
  """Writes a tree that Orbax reads, from pieces of its leaves."""

  def __init__(
      self, folder: epath.Path, prefix: Path, leaves: Leaves, **beside: Any
  ):
    """Makes the folder, with what describes the leaves.

    Args:
      folder: of the item, which is not there yet.
      prefix: of the leaves' paths in the tree.
      leaves: what is written.
      **beside: other items of the tree, small.
    """
    self._leaves = {
        path: _Unread(path, shape, np.dtype(dtype), stacked)
        for path, (shape, dtype, stacked) in leaves.items()
    }
    self._buffers = chunk_file.Buffers()
    self._gathered = {
        path: np.empty(leaf.shape, leaf.dtype)
        for path, leaf in self._leaves.items()
        if leaf.stacked and not leaf.is_parted
    }
    flat = {(*prefix, *path): leaf for path, leaf in self._leaves.items()}
    flat |= {(name,): value for name, value in beside.items()}
    described = _Described()
    handler = ocp.PyTreeCheckpointHandler(
        type_handler_registry=ocp.type_handlers.create_type_handler_registry(
            (_Unread, described), (np.ndarray, ocp.type_handlers.NumpyHandler())
        ),
        # A chunk is a file, and its bytes are the values in C order.
        use_ocdbt=False, use_compression=False,
    )
    save_args = {
        path: ocp.SaveArgs(
            chunk_byte_size=leaf.piece_bytes,
            shard_axes=tuple(range(leaf.stacked)),
        ) if isinstance(leaf, _Unread) and leaf.is_parted else ocp.SaveArgs()
        for path, leaf in flat.items()
    }
    with ocp.Checkpointer(handler) as checkpointer:
      checkpointer.save(folder, ocp.args.PyTreeSave(
          traverse_util.unflatten_dict(flat),
          save_args=traverse_util.unflatten_dict(save_args),
      ))
    self._folders = {
        path: folder / name for path, name in described.names.items()
    }

  def dtype(self, path: Path) -> np.dtype:
    """That a leaf is written as."""
    return self._leaves[path].dtype

  def gathers(self, path: Path) -> bool:
    """Whether pieces of a leaf are held until all are there."""
    return path in self._gathered

  def piece_bytes(self, path: Path) -> int:
    """Of a piece of a leaf, as it is written."""
    return self._leaves[path].piece_bytes

  def write(
      self, path: Path, place: tuple[int, ...], values: np.ndarray | Matrix
  ) -> int:
    """Writes a piece as its leaf's dtype; returns the CRC-32 of its bytes.

    Threads may write at once. A Matrix is of a leaf that is not gathered.
    """
    if not self.gathers(path):
      return self._write_chunk(path, place, values)
    stored = np.asarray(values, self._leaves[path].dtype, order='C')
    self._gathered[path][place] = stored
    return zlib.crc32(stored.reshape(-1).view(np.uint8))

  def finish(self) -> None:
    """Writes the small leaves, of which all pieces have come."""
    for path, values in self._gathered.items():
      self._write_chunk(path, (), values)

  def _write_chunk(
      self, path: Path, place: tuple[int, ...], values: np.ndarray | Matrix
  ) -> int:
    leaf = self._leaves[path]
    index = place + (0,) * (leaf.ndim - len(place))
    return chunk_file.write(
        self._folders[path] / '.'.join(map(str, index or (0,))),
        values if isinstance(values, Matrix) else chunk_file.matrix(values),
        leaf.dtype, self._buffers,
    )

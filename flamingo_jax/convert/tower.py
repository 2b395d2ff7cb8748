# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A tower on disk: written piece by piece, read as any run's weights are.

No parameter is ever whole in memory: its stack is a chunk for each layer, which
TensorStore is given as soon as the layer has been read.
"""

import asyncio
import collections
from collections.abc import Iterator, Mapping
import dataclasses
import math
from typing import Any

from etils import epath
from flax import traverse_util
import numpy as np
import orbax.checkpoint as ocp
import tensorstore as ts

from flamingo_jax.convert.rules import Path, Piece

# Shape, dtype, and how many leading axes are places of pieces, of each leaf.
Leaves = Mapping[Path, tuple[tuple[int, ...], np.dtype, int]]

_SMALLEST_CHUNK = 2**20  # bytes; smaller parameters are one chunk
_UNDER_WAY = 2**28  # bytes that are being written while the next are read


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


class _InPieces(ocp.type_handlers.NumpyHandler):
  """Opens all arrays first, then writes pieces as they come."""

  def __init__(self, pieces: Iterator[Piece]):
    super().__init__(deepcopy_host_arrays=False)
    self._pieces = pieces
    self._stores: dict[Path, ts.TensorStore] = {}

  async def _open_and_write(self, value, tspec, ts_context):
    self._stores[value.path] = await ts.open(
        ts.Spec(tspec), create=True, open=True, context=ts_context
    )

  async def _background_serialize(self, values, infos, args=None):
    await super()._background_serialize(values, infos, args)
    pending = collections.deque()
    try:
      for path, place, piece in self._pieces:
        while pending and sum(size for size, _ in pending) > _UNDER_WAY:
          await pending.popleft()[1]
        pending.append((piece.nbytes, self._stores[path][place].write(
            piece, can_reference_source_data_indefinitely=True
        )))
    finally:  # else it would go on into a folder that is being removed
      ended = await asyncio.gather(
          *(written for _, written in pending), return_exceptions=True
      )
    for error in filter(None, ended):
      raise error


def write_tree(
    folder: epath.Path,
    prefix: Path,
    leaves: Leaves,
    pieces: Iterator[Piece],
    **beside: Any,
) -> None:
  """Writes a tree that Orbax reads, from pieces of its leaves.

  Args:
    folder: of the item, which is not there yet.
    prefix: of the leaves' paths in the tree.
    leaves: what is written.
    pieces: of all leaves, each whole, of the leaf's dtype and in C order.
    beside: other items of the tree, small.
  """
  unread = {
      path: _Unread(path, shape, np.dtype(dtype), stacked)
      for path, (shape, dtype, stacked) in leaves.items()
  }
  flat = {(*prefix, *path): leaf for path, leaf in unread.items()}
  flat |= {(name,): value for name, value in beside.items()}
  registry = ocp.type_handlers.create_type_handler_registry(
      (_Unread, _InPieces(pieces)),
      (np.ndarray, ocp.type_handlers.NumpyHandler()),
  )
  save_args = {
      path: ocp.SaveArgs(
          chunk_byte_size=leaf.piece_bytes, shard_axes=tuple(range(leaf.stacked))
      ) if isinstance(leaf, _Unread) and leaf.is_parted else ocp.SaveArgs()
      for path, leaf in flat.items()
  }
  handler = ocp.PyTreeCheckpointHandler(
      type_handler_registry=registry, use_compression=False
  )
  with ocp.Checkpointer(handler) as checkpointer:
    checkpointer.save(folder, ocp.args.PyTreeSave(
        traverse_util.unflatten_dict(flat),
        save_args=traverse_util.unflatten_dict(save_args),
        # Until a file has this size it is in memory.
        ocdbt_target_data_file_size=_UNDER_WAY,
    ))

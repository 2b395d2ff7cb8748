# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which device holds what: the mesh of a run, its rules, its data layout."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses

import flax.linen as nn
import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from flamingo_jax import sharding
from flamingo_jax.errors import UserError, shown
from flamingo_jax.typing import Tree


@dataclasses.dataclass(frozen=True)
class DataLayout:
  """The part of each global batch that this process reads."""

  batch_size: int  # B of the whole job
  shard_id: int
  num_shards: int

  @property
  def shard(self) -> tuple[int, int]:
    """(shard_id, num_shards)."""
    return self.shard_id, self.num_shards


class Partitioner:
  """A mesh and a rule table, applied to parameters and batches."""

  def __init__(
      self,
      mesh_shape: Mapping[str, int] | None = None,
      logical_axis_rules: str = 'data_parallel',
      devices: Sequence[jax.Device] | None = None,
  ):
    """Builds the mesh.

    Args:
      mesh_shape: size per mesh axis; None puts all devices on 'fsdp', those
        of several slices on as many replicas.
      logical_axis_rules: the name of a table in `sharding.RULES`.
      devices: None is all devices of the job.

    Raises:
      UserError: an unknown table or axis, or sizes that don't fit the devices.
    """
    if logical_axis_rules not in list(sharding.RULES):
      raise UserError(
          f'unknown sharding rules {shown(logical_axis_rules)}: there are '
          f'{", ".join(sharding.RULES)}'
      )
    self.rules = sharding.RULES[logical_axis_rules]
    self.mesh = sharding.make_mesh(mesh_shape, devices)
    self.batch_sharding = sharding.batch_sharding(self.mesh, self.rules)
    self.replicated = NamedSharding(self.mesh, PartitionSpec())

  @contextlib.contextmanager
  def rules_in_use(self) -> Iterator[None]:
    """Makes mesh and rules those of the constraints in the model's code."""
    # `with self.mesh` would do nothing: flax and jax.sharding only know the
    # mesh that is set so.
    mesh = jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh)
    with mesh, nn.logical_axis_rules(self.rules):
      yield

  def get_data_layout(self, batch_size: int) -> DataLayout:
    """How a batch of B rows is read by the processes of the job.

    Raises:
      UserError: B that the devices of the batch axis don't divide.
    """
    devices = sharding.batch_parts(self.mesh, self.rules)
    if batch_size % devices:
      raise UserError(
          f'a batch has {batch_size} rows (of several datasets, the greatest '
          f'common divisor of batch_sizes) and the mesh splits them over '
          f'{devices} devices: make every batch size a multiple of {devices}'
      )
    return DataLayout(batch_size, *self._shard(devices))

  def _shard(self, shards: int) -> tuple[int, int]:
    """(which, of how many) equal parts of a batch's rows this process reads.

    Processes whose devices hold the same rows, split along 'model' only, read
    the same part.

    Args:
      shards: the devices of the batch axis.
    """
    rows: dict[int, set[int]] = {}
    for device, index in self.batch_sharding.devices_indices_map(
        (shards,)
    ).items():
      rows.setdefault(device.process_index, set()).add(index[0].start or 0)
    # Rows of a process may have gaps: its devices are neighbours on the torus,
    # where a mesh may have others between them.
    parts = sorted(set(map(tuple, map(sorted, rows.values()))))
    assert sum(map(len, parts)) == shards, 'processes share some of their rows'
    mine = tuple(sorted(rows[jax.process_index()]))
    return parts.index(mine), len(parts)

  def get_shardings(self, boxed: Tree) -> Tree:
    """A NamedSharding per leaf of a tree of boxed parameters.

    Raises:
      UserError: an axis of a parameter that the mesh doesn't divide.
    """
    return sharding.tree_shardings(boxed, self.mesh, self.rules)

  def put_batch(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """This process's rows of a batch -> global arrays split over rows."""
    return {
        key: jax.make_array_from_process_local_data(self.batch_sharding, x)
        for key, x in batch.items()
    }

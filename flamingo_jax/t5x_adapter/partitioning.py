# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The mesh and the rule tables of sharding.py, for t5x."""

from collections.abc import Mapping, Sequence
from typing import Any

from flax import traverse_util
import jax
from jax.sharding import PartitionSpec
from t5x import partitioning

from flamingo_jax import sharding
from flamingo_jax.training import partitioner


class Partitioner(partitioner.Partitioner, partitioning.PjitPartitioner):
  """The built-in driver's partitioner with t5x's interface."""

  def __init__(
      self,
      mesh_shape: Mapping[str, int] | None = None,
      logical_axis_rules: str = 'data_parallel',
      devices: Sequence[jax.Device] | None = None,
  ):
    """As for the class of the built-in driver."""
    partitioner.Partitioner.__init__(
        self, mesh_shape, logical_axis_rules, devices
    )
    # The mesh is there already; num_partitions only has to be given.
    partitioning.PjitPartitioner.__init__(
        self, num_partitions=1, logical_axis_rules=self.rules
    )

  def get_data_layout(
      self, batch_size: int | None = None, host_index: int | None = None
  ) -> partitioning.DataLayout:
    """t5x's own; the check of the batch size is the built-in driver's."""
    if batch_size:
      partitioner.Partitioner.get_data_layout(self, batch_size)
    return partitioning.PjitPartitioner.get_data_layout(
        self, batch_size, host_index
    )

  def get_mesh_axes(self, train_state: Any) -> Any:
    """A PartitionSpec per leaf, None for what has no axes.

    Raises:
      UserError: an axis of a parameter that the mesh doesn't divide.
    """
    flatten = lambda state: traverse_util.flatten_dict(
        state.state_dict(), keep_empty_nodes=True, sep='/'
    )
    logical = self.get_logical_axes(train_state)
    shapes = flatten(train_state)
    axes = {
        name: sharding.partition_spec(
            name, names, shapes[name].shape, self.mesh, self.rules
        ) if isinstance(names, PartitionSpec) else names
        for name, names in flatten(logical).items()
    }
    return logical.restore_state(
        traverse_util.unflatten_dict(axes, sep='/')
    )

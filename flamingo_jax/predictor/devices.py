# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Several devices, each of which works on its own rows of a batch."""

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from flamingo_jax import sharding
from flamingo_jax.typing import Array, Tree

# Of (params, what all rows share, rows), the options by name.
Program = Callable[..., Any]


class Devices:
  """A mesh whose devices have all parameters and never wait for each other.

  Each runs the program that one device would run on those rows alone, with its
  own loops and without partitioning by the compiler: the number of devices does
  not change a bit of a row's result, and beams are not gathered across them.
  """

  def __init__(self, devices: Sequence[jax.Device]):
    """Splits batches over the given devices."""
    self.count = len(devices)
    self._mesh = sharding.make_mesh(devices=devices)
    self._rows = sharding.batch_sharding(
        self._mesh, sharding.RULES['data_parallel']
    ).spec

  def replicate(self, tree: Tree | tuple[np.ndarray, ...]) -> Any:
    """The tree on every device."""
    return jax.device_put(tree, NamedSharding(self._mesh, PartitionSpec()))

  def split(self, *arrays: np.ndarray) -> tuple[Array, ...]:
    """Arrays of rows, as many on each device."""
    return jax.device_put(arrays, NamedSharding(self._mesh, self._rows))

  def compile(
      self, program: Program, *static: str, splits: bool = True
  ) -> Program:
    """`program(params, shared, rows, **static)`, jitted.

    Args:
      program: its arrays of rows, arguments and results, have the rows first.
      static: names of options.
      splits: False: all devices do the same on the same rows.
    """
    whole = PartitionSpec()
    rows = self._rows if splits else whole

    def run(params, shared, batch, **options):
      # Loops carry what differs by device and what does not; that no device
      # needs another's is so by construction.
      return jax.shard_map(
          functools.partial(program, **options), mesh=self._mesh,
          in_specs=(whole, whole, rows), out_specs=rows, check_vma=False,
      )(params, shared, batch)

    return jax.jit(run, static_argnames=static)

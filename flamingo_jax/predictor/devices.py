# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The mesh that a model answers on, and its programs there."""

from collections.abc import Callable
import functools
import hashlib
from typing import Any

from flax import linen as nn
import jax
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np

from flamingo_jax import sharding
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.typing import Array, Tree

# Of (model, params, what all rows share, rows), the options by name.
Program = Callable[..., Any]


class Devices:
  """A mesh with the weights on it, whose devices share the rows of a batch.

  Devices that have all weights never wait for each other: each runs the program
  that one device would run on its rows alone, with its own loops and without
  partitioning by the compiler. Their number does not change a bit of a row's
  result, and beams are not gathered across them. Where weights are split, the
  compiler splits the program as the rules say.

  Attributes:
    count: parts that the rows of a batch are split into.
    size: devices.
    groups: rows that a program works on at once where it takes one after the
      other: one of each part that the compiler knows of.
    layout: of split weights, on which the last bits of results hang; '' where
      each device has all.
  """

  def __init__(self, partitioner: Partitioner, weights: Tree):
    """Compiles nothing.

    Args:
      partitioner: mesh and rules.
      weights: where each parameter lies, a NamedSharding per leaf.
    """
    self.count = sharding.batch_parts(partitioner.mesh, partitioner.rules)
    self.size = partitioner.mesh.size
    self._partitioner = partitioner
    self._weights = weights
    self._apart = self.count == self.size and all(
        leaf.is_fully_replicated for leaf in jax.tree.leaves(weights)
    )
    self.groups = 1 if self._apart else self.count
    self.layout = '' if self._apart else (
        f'{dict(partitioner.mesh.shape)} {partitioner.rules}'
    )

  def place(self, params: Tree) -> Tree:
    """Parameters where they belong, a leaf at a time."""
    return jax.tree.map(_put, params, self._weights)

  def compile(
      self, program: Program, model: nn.Module, *static: str,
      splits: bool = True, donates: bool = False,
  ) -> Callable[..., Any]:
    """`program(model, params, shared, rows, **static)`, jitted.

    What another predictor of an equal model has compiled is not compiled again.

    Args:
      program: its arrays of rows, arguments and results, have the rows first.
      model: its first argument.
      static: names of options.
      splits: False: all devices do the same on the same rows, and the result
        stays on them.
      donates: whether the result takes the place of `shared`, which is gone.

    Returns:
      A function of (params, shared, rows), rows as numpy arrays, whose results
      every process can read.
    """
    layout = self._partitioner.replicated
    if splits:
      layout = self._partitioner.batch_sharding
    rules = None if self._apart else tuple(self._partitioner.rules)
    run = _jitted(program, model, static, layout, splits, donates, rules)

    def call(params, shared, rows, **options):
      if self.size > 1:  # else jit does it, in less time
        rows = jax.tree.map(lambda x: _put(x, layout), rows)
      if self._apart:
        return run(params, shared, rows, **options)
      with self._partitioner.rules_in_use():
        return run(params, shared, rows, **options)

    return call


# A predictor has fifteen.
@functools.lru_cache(maxsize=128)
def _jitted(
    program: Program,
    model: nn.Module,
    static: tuple[str, ...],
    layout: NamedSharding,
    splits: bool,
    donates: bool,
    rules: sharding.Rules | None,
) -> Callable[..., Any]:
  """The jitted program; `rules` are those it is traced under, None: apart."""
  program = functools.partial(program, model)
  whole = PartitionSpec()

  def run_apart(params, shared, rows, **options):
    # Loops carry what differs by device and what does not; that no device
    # needs another's is so by construction.
    return jax.shard_map(
        functools.partial(program, **options), mesh=layout.mesh,
        in_specs=(whole, whole, layout.spec), out_specs=layout.spec,
        check_vma=False,
    )(params, shared, rows)

  donated = (1,) if donates else ()
  if rules is None:
    return jax.jit(run_apart, static_argnames=static, donate_argnums=donated)
  return jax.jit(
      program, static_argnames=static, donate_argnums=donated,
      out_shardings=NamedSharding(layout.mesh, whole) if splits else None,
  )


def fetch(x: Array) -> np.ndarray:
  """An array in the memory of every process."""
  if x.is_fully_addressable or x.is_fully_replicated:
    return np.asarray(x)
  return multihost_utils.process_allgather(x, tiled=True)


def sha256(tree: Tree) -> str:
  """Of all names, dtypes and values."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    leaf = fetch(leaf)
    digest.update(f'{jax.tree_util.keystr(path)} {leaf.dtype}'.encode())
    digest.update(np.ascontiguousarray(leaf).tobytes())
  return digest.hexdigest()


def _put(x: np.ndarray | Array, layout: jax.sharding.Sharding) -> Array:
  """An array that every process has, where it belongs."""
  if isinstance(x, jax.Array):
    return jax.device_put(x, layout)
  return jax.make_array_from_callback(x.shape, layout, lambda at: x[at])

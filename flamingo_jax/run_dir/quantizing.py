# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Towers in floats become towers of 8 bits while they are read."""

from collections.abc import Callable

from flax import traverse_util
import jax

from flamingo_jax.models import int8
from flamingo_jax.run_dir.regroup import STACKS, regroup
from flamingo_jax.typing import Array, Tree


def read_by_parts(
    read: Callable[[Tree], Tree], read_as: Tree, abstract: Tree
) -> Tree:
  """A tower, of which no more is in floats at once than one map of all layers.

  Args:
    read: gives the leaves of a part of `read_as`.
    read_as: shapes of all of it, in floats and in the stacks that it is stored in.
    abstract: shapes, dtypes and shardings of what it becomes.
  """
  stored, wanted = map(traverse_util.flatten_dict, (read_as, abstract))
  parts: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
  for path in wanted:
    parts.setdefault(_module(path), []).append(path)
  found = {}
  for module, paths in parts.items():
    tree = read(traverse_util.unflatten_dict(
        {path: x for path, x in stored.items() if _module(path) == module}
    ))
    part = traverse_util.unflatten_dict({path: wanted[path] for path in paths})
    found |= traverse_util.flatten_dict(
        quantized(regroup(tree, int8.in_floats(part)), part)
    )
  return traverse_util.unflatten_dict(found)


def quantized(tree: Tree, abstract: Tree) -> Tree:
  """A tree in floats as the tree `abstract`, every leaf in its place there."""
  flat = traverse_util.flatten_dict(tree)
  wanted = traverse_util.flatten_dict(abstract)
  for path, scale in wanted.items():
    if path[-1] == int8.SCALE:
      kernel = *path[:-1], 'kernel'
      flat[kernel], flat[path] = _quantize(
          flat[kernel], wanted[kernel].sharding, scale
      )
  return traverse_util.unflatten_dict(flat)


def _quantize(
    kernel: Array, sharding: jax.sharding.Sharding, scale: jax.ShapeDtypeStruct
) -> tuple[Array, Array]:
  quantize = jax.jit(
      int8.quantize, static_argnums=1, out_shardings=(sharding, scale.sharding)
  )
  return quantize(kernel, len(scale.shape) - 1)


def _module(path: tuple[str, ...]) -> tuple[str, ...]:
  """What a leaf is of, in whichever stack of layers."""
  return path[path[0] in STACKS : -1]

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One language model wherever gated blocks stand: its layers in other stacks.

In order, the layers [f, ...] of the decoder's `head`, [G, k, ...] of `groups` and
[t, ...] of `tail` (models/decoder.py) are the same f + G k + t layers.
"""

import math
from typing import Any

from flax import traverse_util
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from flamingo_jax.typing import Tree

STACKS = {'head': 1, 'groups': 2, 'tail': 1}  # and their dimensions
_Flat = dict[tuple[str, ...], Any]  # arrays, or their shapes


def grouped_as(abstract: Tree, stored: Tree) -> Tree:
  """The decoder `abstract` with its layers stacked as those of `stored`.

  Args:
    abstract: shapes, dtypes and shardings.
    stored: a tree whose leaves have shapes.

  Returns:
    Such shapes, to read `stored` as; `abstract` itself where the number of
    layers differs or the stacks do not.
  """
  flat = traverse_util.flatten_dict(abstract)
  found = traverse_util.flatten_dict(stored)
  stacked = {k: x for k, x in flat.items() if k[0] not in STACKS}
  for name in _names(flat):
    mine, theirs = _stacks(flat, name), _stacks(found, name)
    if 'groups' not in theirs or _layers(mine) != _layers(theirs):
      return abstract
    leaf = flat['groups', *name]
    for stack, lead in theirs.items():
      spec = leaf.sharding.spec[2 - len(lead):]
      stacked[stack, *name] = jax.ShapeDtypeStruct(
          (*lead, *leaf.shape[2:]), leaf.dtype,
          sharding=NamedSharding(leaf.sharding.mesh, PartitionSpec(*spec)),
      )
  return traverse_util.unflatten_dict(stacked)


def regroup(decoder: Tree, abstract: Tree) -> Tree:
  """The same layers, stacked and placed as those of `abstract`."""
  shapes = traverse_util.flatten_dict(abstract)
  if jax.tree.map(jnp.shape, decoder) == jax.tree.map(jnp.shape, abstract):
    return decoder

  def move(flat: _Flat) -> _Flat:
    moved = {k: x for k, x in flat.items() if k[0] not in STACKS}
    for name in _names(shapes):
      size = shapes['groups', *name].shape[2:]
      layers = jnp.concatenate([
          flat[stack, *name].reshape(-1, *size) for stack in _stacks(flat, name)
      ])
      start = 0
      for stack, lead in _stacks(shapes, name).items():
        end = start + math.prod(lead)
        moved[stack, *name] = layers[start:end].reshape(*lead, *size)
        start = end
    return moved

  shardings = {k: x.sharding for k, x in shapes.items()}
  return traverse_util.unflatten_dict(
      jax.jit(move, out_shardings=shardings)(
          traverse_util.flatten_dict(decoder)
      )
  )


def _names(flat: _Flat) -> list[tuple[str, ...]]:
  """The parameters of a layer, which have the same names in every stack."""
  return [path[1:] for path in flat if path[0] == 'groups']


def _stacks(flat: _Flat, name: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
  """The stacks that have a parameter, from below, and their shapes."""
  return {
      stack: flat[stack, *name].shape[:dimensions]
      for stack, dimensions in STACKS.items() if (stack, *name) in flat
  }


def _layers(stacks: dict[str, tuple[int, ...]]) -> int:
  return sum(map(math.prod, stacks.values()))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""One language model for any `xattn_every`: its layers in other groups.

The decoder stacks layers [G, k, ...] in `groups` and the rest [t, ...] in
`tail` (models/decoder.py); in order, they are the same G k + t layers.
"""

import math

from flax import traverse_util
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from flamingo_jax.typing import Array, Tree

_Flat = dict[tuple[str, ...], jax.ShapeDtypeStruct | Array]


def grouped_as(abstract: Tree, stored: Tree) -> Tree:
  """The decoder `abstract` with its layers grouped as those of `stored`.

  Args:
    abstract: shapes, dtypes and shardings.
    stored: a tree whose leaves have shapes.

  Returns:
    Such shapes, to read `stored` as; `abstract` itself where the number of
    layers differs or the groups do not.
  """
  flat = traverse_util.flatten_dict(abstract)
  found = traverse_util.flatten_dict(stored)
  others = {k: x for k, x in flat.items() if _layer(k) is None}
  regrouped = dict(others)
  for path, leaf in flat.items():
    if path[0] != 'groups':
      continue
    name = _layer(path)
    tail = ('tail', *name)
    groups = getattr(found.get(path), 'shape', ())[:2]
    rest = getattr(found.get(tail), 'shape', ())[:1]
    mine = getattr(flat.get(tail), 'shape', ())[:1]
    if len(groups) < 2 or math.prod(groups) + sum(rest) != (
        math.prod(leaf.shape[:2]) + sum(mine)
    ):
      return abstract
    spec = tuple(leaf.sharding.spec)
    stacked = lambda lead, spec: jax.ShapeDtypeStruct(
        (*lead, *leaf.shape[2:]), leaf.dtype,
        sharding=NamedSharding(leaf.sharding.mesh, PartitionSpec(*spec)),
    )
    regrouped[path] = stacked(groups, spec)
    if rest:
      regrouped[tail] = stacked(rest, spec[1:])
  return traverse_util.unflatten_dict(regrouped)


def regroup(decoder: Tree, abstract: Tree) -> Tree:
  """The same layers, grouped and placed as those of `abstract`."""
  shapes = traverse_util.flatten_dict(abstract)
  if jax.tree.map(jnp.shape, decoder) == jax.tree.map(jnp.shape, abstract):
    return decoder

  def move(flat: _Flat) -> _Flat:
    moved = {k: x for k, x in flat.items() if _layer(k) is None}
    for path in (k for k in shapes if k[0] == 'groups'):
      tail = ('tail', *_layer(path))
      size = shapes[path].shape
      layers = flat[path].reshape(-1, *size[2:])
      if tail in flat:
        layers = jnp.concatenate([layers, flat[tail]])
      count = math.prod(size[:2])
      moved[path] = layers[:count].reshape(size)
      if tail in shapes:
        moved[tail] = layers[count:]
    return moved

  shardings = {k: x.sharding for k, x in shapes.items()}
  return traverse_util.unflatten_dict(
      jax.jit(move, out_shardings=shardings)(
          traverse_util.flatten_dict(decoder)
      )
  )


def _layer(path: tuple[str, ...]) -> tuple[str, ...] | None:
  """The name of a parameter of a layer, the same in both stacks."""
  return path[1:] if path[0] in ('groups', 'tail') else None

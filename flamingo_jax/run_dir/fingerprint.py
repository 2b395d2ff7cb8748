# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A short name for the values of a tree of weights."""

import hashlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.typing import Array, Tree


def fingerprint(tree: Tree) -> str:
  """16 hex digits of all names, shapes and values.

  Computed where the arrays lie, each device its part, and the same for every
  mesh: the sums are of integers. Weights that were read as another dtype have
  another fingerprint.
  """
  flat = traverse_util.flatten_dict(tree, sep='/')
  sums = jax.device_get(jax.jit(lambda tree: jax.tree.map(_sum, tree))(flat))
  digest = hashlib.sha256()
  for name in sorted(flat):
    shape, dtype = flat[name].shape, np.dtype(flat[name].dtype).name
    digest.update(f'{name} {shape} {dtype} {sums[name]}\n'.encode())
  return digest.hexdigest()[:16]


def _sum(x: Array) -> Array:
  """uint32 sum of the hashes of every (place, bits of the value)."""
  bits = jax.lax.bitcast_convert_type(x, f'uint{8 * x.dtype.itemsize}')
  place, stride = jnp.zeros(x.shape, jnp.uint32), 1
  for axis in reversed(range(x.ndim)):
    index = jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis)
    place += index * np.uint32(stride % 2**32)
    stride *= x.shape[axis]
  # The finishing steps of murmur3, which spread every bit over all others.
  mixed = bits.astype(jnp.uint32) ^ place * np.uint32(0x9E3779B1)
  for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
    mixed = (mixed ^ (mixed >> shift)) * np.uint32(factor)
  return jnp.sum(mixed ^ (mixed >> 16), dtype=jnp.uint32)

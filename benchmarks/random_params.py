# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights for benchmarks: random, with open gates, and never at an end."""

from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models import Flamingo, FlamingoConfig, init_shapes


def random_params(config: FlamingoConfig) -> Any:
  """Random weights; frozen ones are not told apart, all have one dtype."""
  size = config.image_size
  arrays = (
      jnp.zeros((1, 1), jnp.int32), jnp.zeros((1, 1), jnp.int32),
      jnp.zeros((1, 1, 1, size, size, 3), jnp.uint8),
      jnp.ones((1, 1, 1), bool),
  )
  boxed = init_shapes(Flamingo(config).init, jax.random.key(0), *arrays)
  leaves, tree = jax.tree_util.tree_flatten_with_path(nn.unbox(boxed)['params'])

  @jax.jit
  def draw(key: jax.Array) -> Any:
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(tree, [
        _draw_leaf(k, jax.tree_util.keystr(path), x, config.frozen_dtype)
        for k, (path, x) in zip(keys, leaves)
    ])

  return draw(jax.random.key(0))


def _draw_leaf(
    key: jax.Array, name: str, x: jax.ShapeDtypeStruct, dtype: str
) -> jax.Array:
  if 'gate' in name or "'scale'" in name or "'gain'" in name:
    return jnp.ones(x.shape, dtype)
  if 'new_token' in name:  # of <EOC>: as likely as the average token
    return jnp.zeros(x.shape, dtype)
  return 0.02 * jax.random.normal(key, x.shape, dtype)

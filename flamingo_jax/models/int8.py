# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Linear maps of frozen towers in 8 bits, which halves what bfloat16 takes.

  y = (x Q) s      W = Q s: Q int8 in -127 .. 127, s float32 for each output

Q lies in W's place in the tree, as `kernel`, and s beside it as `kernel_scale`: a
map is one of 8 bits if it has that (`layers.Einsum`). Tables, norms, biases and
convolutions stay in bfloat16. google/qwix does this too; its weights are nodes of
a class of its own, which neither checkpoints nor t5x know.
"""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
from typing import Any

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp

from flamingo_jax.models import frozen_maps
from flamingo_jax.models.layers import Einsum, parameter
from flamingo_jax.typing import Array, Float, Int8, Tree

SCALE = 'kernel_scale'


@contextlib.contextmanager
def scaled(trained_towers: Sequence[str] = ()) -> Iterator[None]:
  """Gives the frozen maps that a Flamingo makes in this context scales of 1."""

  def visit(path: str, module: Einsum) -> None:
    if path.split('/')[0] not in trained_towers:
      outputs = slice(module.in_axes, None)
      parameter(
          module, SCALE, nn.initializers.ones, module.axes[outputs],
          module.shape[outputs],
      )

  with frozen_maps.visited(visit):
    yield


def quantize(
    kernel: Float[Array, '...'], stack: int
) -> tuple[Int8[Array, '...'], Float[Array, '*stack F']]:
  """(Q, s) of maps whose last axis is their outputs; errors are s / 2 at most.

  Args:
    kernel: W.
    stack: how many leading axes are of a stack of maps.
  """
  kernel = kernel.astype(jnp.float32)
  inputs = tuple(range(stack, kernel.ndim - 1))
  scale = jnp.max(jnp.abs(kernel), axis=inputs) / 127
  scale = jnp.where(scale > 0, scale, 1.0)
  numbers = jnp.round(kernel / jnp.expand_dims(scale, inputs))
  return numbers.astype(jnp.int8), scale


def quantized(tree: Tree) -> Tree:
  """A tree whose maps with scales become such of 8 bits; leaves may be boxed."""
  flat = traverse_util.flatten_dict(tree)
  for path in _scales(flat):
    kernel = *path[:-1], 'kernel'
    old = nn.unbox(flat[kernel]), nn.unbox(flat[path])
    for name, x in zip((kernel, path), quantize(old[0], old[1].ndim - 1)):
      flat[name] = nn.meta.replace_boxed(flat[name], x)
  return traverse_util.unflatten_dict(flat)


def in_floats(abstract: Tree) -> Tree:
  """Shapes of a tree as they are before their maps become such of 8 bits."""
  flat = traverse_util.flatten_dict(abstract)
  for path in _scales(flat):
    del flat[path]
    kernel = *path[:-1], 'kernel'
    flat[kernel] = jax.ShapeDtypeStruct(
        flat[kernel].shape, jnp.bfloat16, sharding=flat[kernel].sharding
    )
  return traverse_util.unflatten_dict(flat)


def has_scales(tree: Tree) -> bool:
  """Whether a tree has maps of 8 bits."""
  return bool(_scales(traverse_util.flatten_dict(tree)))


def _scales(flat: Mapping[tuple[str, ...], Any]) -> list[tuple[str, ...]]:
  return [path for path in flat if path[-1] == SCALE]

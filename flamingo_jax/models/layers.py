# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Linear maps, norms and the feed-forward block of every transformer here."""

from collections.abc import Callable
import math

from flax import linen as nn
import jax
from jax.ad_checkpoint import checkpoint_name
import jax.numpy as jnp

from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Float


def partitioned(
    init: nn.initializers.Initializer, *axes: str | None
) -> Callable[..., nn.LogicallyPartitioned]:
  """An initializer whose result carries its logical axes."""
  return nn.with_logical_partitioning(init, axes)


def fan_in_normal(in_axes: int) -> nn.initializers.Initializer:
  """Normal with variance 1 / fan in; the first `in_axes` axes are inputs."""
  def init(key, shape, dtype=jnp.float32):
    fan_in = math.prod(shape[:in_axes])
    return jax.random.normal(key, shape, dtype) * fan_in**-0.5

  return init


class Einsum(nn.Module):
  """A linear map without bias, written as the einsum it computes."""

  equation: str
  shape: tuple[int, ...]  # of the kernel, input axes first
  axes: tuple[str | None, ...]  # logical axes of the kernel
  in_axes: int = 1  # how many leading kernel axes are inputs
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, '...']) -> Float[Array, '...']:
    init = partitioned(fan_in_normal(self.in_axes), *self.axes)
    kernel = self.param('kernel', init, self.shape, jnp.float32)
    return jnp.einsum(
        self.equation, x.astype(self.dtype), kernel.astype(self.dtype)
    )


def split_text(
    x: Float[Array, 'B L D'], rows: str = 'batch'
) -> Float[Array, 'B L D']:
  """Sums what the devices of 'model' made of x and splits the text over them.

  In one collective, and in this form the backward pass may keep it. Left to the
  partitioner, it would cut the product before it in windows, which send more.
  """
  x = constrain(x, rows, None, 'embed')
  x = constrain(x, 'text' if rows == 'batch' else rows, 'length', 'embed')
  return checkpoint_name(x, 'output')


class RMSNorm(nn.Module):
  """x / rms(x) * scale, statistics in float32 (the language model's norm)."""

  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    scale = self.param(
        'scale', partitioned(nn.initializers.ones, 'embed'), (x.shape[-1],)
    )
    x = x.astype(jnp.float32)
    x *= jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return (x * scale.astype(jnp.float32)).astype(self.dtype)


class LayerNorm(nn.Module):
  """LayerNorm with learnt scale and bias, as in GPT-2 (Flamingo v1 §3.1.2)."""

  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    size = (x.shape[-1],)
    scale = self.param('scale', partitioned(nn.initializers.ones, 'embed'), size)
    bias = self.param('bias', partitioned(nn.initializers.zeros, 'embed'), size)
    x = x.astype(jnp.float32)
    x -= jnp.mean(x, axis=-1, keepdims=True)
    x *= jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-5)
    return (x * scale + bias).astype(self.dtype)


def squared_relu(x: Float[Array, '...']) -> Float[Array, '...']:
  """relu(x)^2 (Primer), the activation of every trainable transformer."""
  return jnp.square(nn.relu(x))


class FeedForward(nn.Module):
  """Two linear maps around an activation, hidden width 4 D (Flamingo B.1.1)."""

  activation: Callable[[Array], Array]
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis

  @nn.compact
  def __call__(self, x: Float[Array, 'B L D']) -> Float[Array, 'B L D']:
    width = x.shape[-1]
    x = constrain(x, self.rows, None, 'embed')
    x = Einsum(
        'BLD,DF->BLF', (width, 4 * width), ('embed', 'mlp'),
        dtype=self.dtype, name='up',
    )(x)
    x = self.activation(x)
    x = constrain(x, self.rows, 'length', 'mlp')
    x = Einsum(
        'BLF,FD->BLD', (4 * width, width), ('mlp', 'embed'),
        dtype=self.dtype, name='down',
    )(x)
    return split_text(x, self.rows)

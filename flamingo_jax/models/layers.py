# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Linear maps, norms and the feed-forward block of every transformer here."""

from collections.abc import Callable, Mapping
import functools
import math
from typing import Any

from flax import errors as flax_errors
from flax import linen as nn
import jax
from jax.ad_checkpoint import checkpoint_name
import jax.numpy as jnp

from flamingo_jax.errors import UserError
from flamingo_jax.sharding import constrain, is_for_one_cpu
from flamingo_jax.typing import Array, Float, Int8


def partitioned(
    init: nn.initializers.Initializer, *axes: str | None
) -> Callable[..., nn.LogicallyPartitioned]:
  """An initializer whose result carries its logical axes."""
  return nn.with_logical_partitioning(init, axes)


def parameter(
    module: nn.Module, name: str, init: nn.initializers.Initializer,
    axes: tuple[str | None, ...], shape: tuple[int, ...],
) -> Float[Array, '...'] | Int8[Array, '...']:
  """A parameter with its logical axes, as `param` of the module that asks.

  flax would trace the initializer of one that is there, for its shape alone.

  Raises:
    ScopeParamShapeError: it is there, and has another shape.
  """
  if not module.has_variable('params', name):
    init = partitioned(init, *axes)
    return module.param(name, init, shape, jnp.float32)
  value = jnp.asarray(nn.unbox(module.get_variable('params', name)))
  if value.shape != shape:
    path = module.scope.path_text
    raise flax_errors.ScopeParamShapeError(name, path, value.shape, shape)
  return value


def fan_in_normal(in_axes: int) -> nn.initializers.Initializer:
  """Normal with variance 1 / fan in; the first `in_axes` axes are inputs."""
  def init(key, shape, dtype=jnp.float32):
    fan_in = math.prod(shape[:in_axes])
    return jax.random.normal(key, shape, dtype) * fan_in**-0.5

  return init


class Einsum(nn.Module):
  """A linear map, written as the einsum it computes."""

  equation: str
  shape: tuple[int, ...]  # of the kernel, input axes first
  axes: tuple[str | None, ...]  # logical axes of the kernel
  in_axes: int = 1  # how many leading kernel axes are inputs
  dtype: str = 'float32'
  bias: bool = False  # added to the output axes, which are the last ones

  @nn.compact
  def __call__(self, x: Float[Array, '...']) -> Float[Array, '...']:
    normal = fan_in_normal(self.in_axes)
    kernel = parameter(self, 'kernel', normal, self.axes, self.shape)
    # Else the backward pass would keep maps of 8 bits as floats, layer by layer.
    product = jax.checkpoint(
        _product, prevent_cse=False, static_argnums=(0, 3)
    ) if kernel.dtype == jnp.int8 else _product
    y = product(self.equation, x.astype(self.dtype), kernel, self.in_axes)
    if self.has_variable('params', 'kernel_scale'):  # models/int8.py
      scale = self.get_variable('params', 'kernel_scale')
      y = (y.astype(jnp.float32) * scale).astype(self.dtype)
    if self.has_variable('params', 'lora_a'):
      y += self._low_rank(x)
    if not self.bias:
      return y
    axes, shape = (x[self.in_axes :] for x in (self.axes, self.shape))
    bias = parameter(self, 'bias', nn.initializers.zeros, axes, shape)
    return y + bias.astype(self.dtype)

  def _low_rank(self, x: Float[Array, '...']) -> Float[Array, '...']:
    """alpha / r x A B, of the leaves that models/lora.py has put here."""
    a, b, scale = (
        self.get_variable('params', f'lora_{name}')
        for name in ('a', 'b', 'scale')
    )
    inputs, output = self.equation.split('->')
    of_x, of_kernel = inputs.split(',')
    summed, made = of_kernel[: self.in_axes], of_kernel[self.in_axes :]
    rows = output.removesuffix(made)
    narrow = _product(
        f'{of_x},{summed}r->{rows}r', x.astype(self.dtype), a, self.in_axes
    )
    return _product(f'{rows}r,r{made}->{output}', narrow, scale * b, 1)


def _product(equation: str, x: Array, kernel: Array, in_axes: int) -> Array:
  """The einsum of x and a kernel, in x's dtype.

  On one CPU, it is written as a product of two matrices, so that its gradients are
  such products too. If rows of x lie along several axes, XLA otherwise writes the
  gradient of y once more, transposed and with all that it is made of computed again
  there: an eighth of a step of training OpenFlamingo.
  """
  kernel = kernel.astype(x.dtype)
  inputs, output = equation.split('->')
  of_x, of_kernel = inputs.split(',')
  summed, made = of_kernel[:in_axes], of_kernel[in_axes:]
  if not is_for_one_cpu() or not output.endswith(made):
    return jnp.einsum(equation, x, kernel)
  rows = ''.join(axis for axis in of_x if axis not in summed)
  if of_x != rows + summed:  # these last
    x = jnp.einsum(f'{of_x}->{rows}{summed}', x)
  shape = x.shape[: x.ndim - in_axes]
  x = x.reshape(math.prod(shape), -1)
  y = x @ kernel.reshape(x.shape[1], -1)
  return y.reshape(*shape, *kernel.shape[in_axes:])


def axis_of(rows: str, name: str) -> str:
  """The logical name of an axis of weights in a layer with these rows."""
  return f'media_{name}' if rows == 'media' else name


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
  eps: float = 1e-6
  axis: str = 'embed'  # logical name of the last one

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    scale = parameter(
        self, 'scale', nn.initializers.ones, (self.axis,), (x.shape[-1],)
    )
    x = x.astype(jnp.float32)
    x *= jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + self.eps)
    return (x * scale.astype(jnp.float32)).astype(self.dtype)


class LayerNorm(nn.Module):
  """LayerNorm with learnt scale and bias, as in GPT-2 (Flamingo v1 §3.1.2)."""

  dtype: str = 'float32'
  eps: float = 1e-5
  axis: str = 'embed'  # logical name of the last one

  @nn.compact
  def __call__(self, x: Float[Array, '... D']) -> Float[Array, '... D']:
    of_channels = (self.axis,), (x.shape[-1],)
    scale = parameter(self, 'scale', nn.initializers.ones, *of_channels)
    bias = parameter(self, 'bias', nn.initializers.zeros, *of_channels)
    x = x.astype(jnp.float32)
    x -= jnp.mean(x, axis=-1, keepdims=True)
    x *= jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + self.eps)
    return (x * scale + bias).astype(self.dtype)


def quick_gelu(x: Float[Array, '...']) -> Float[Array, '...']:
  """What OpenAI's CLIP has in the place of GELU."""
  return x * jax.nn.sigmoid(1.702 * x)


def gelu_exact(x: Float[Array, '...']) -> Float[Array, '...']:
  """GELU by the error function, as in torch.

  jax.nn.gelu has erfc(-x), which keeps the last bits of values that are as good
  as 0, and takes three times the operations.
  """
  return 0.5 * x * (1 + jax.lax.erf(x * math.sqrt(0.5)))


def squared_relu(x: Float[Array, '...']) -> Float[Array, '...']:
  """relu(x)^2 (Primer), the activation of every trainable transformer."""
  return jnp.square(nn.relu(x))


# By the names that configs have for them.
ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    'gelu': jax.nn.gelu,
    'gelu_exact': gelu_exact,
    'quick_gelu': quick_gelu,
    'silu': jax.nn.silu,
    'relu': jax.nn.relu,
    'squared_relu': squared_relu,
}


# Likewise.
NORMS: Mapping[str, type[nn.Module]] = {'rms': RMSNorm, 'layer': LayerNorm}


def check_activation(name: str, part: str) -> None:
  """UserError if the activation of `part` of a config is none of these."""
  _check(name, ACTIVATIONS, f'{part}.activation')


def check_norm(name: str, part: str) -> None:
  """UserError if the norm of `part` of a config is none of these."""
  _check(name, NORMS, f'{part}.norm')


def _check(name: str, known: Mapping[str, Any], field: str) -> None:
  if name not in known:
    raise UserError(
        f'{field} is {name!r} and must be one of {", ".join(known)}'
    )


class FeedForward(nn.Module):
  """Two linear maps around an activation, hidden width 4 D (Flamingo B.1.1)."""

  activation: Callable[[Array], Array]
  dtype: str = 'float32'
  rows: str = 'batch'  # logical name of the first axis
  hidden: int = 0  # width between the maps; 0: 4 D
  gated: bool = False  # by a third map, which the activation is of
  bias: bool = False

  @nn.compact
  def __call__(self, x: Float[Array, 'B L D']) -> Float[Array, 'B L D']:
    width = x.shape[-1]
    hidden = self.hidden or 4 * width
    x = constrain(x, self.rows, None, 'embed')
    axis, embed = axis_of(self.rows, 'mlp'), axis_of(self.rows, 'embed')
    widen = lambda name: Einsum(
        'BLD,DF->BLF', (width, hidden), (embed, axis),
        dtype=self.dtype, bias=self.bias, name=name,
    )(x)
    if self.gated:
      y = self.activation(widen('gate')) * widen('up')
    else:
      y = self.activation(widen('up'))
    y = constrain(y, self.rows, 'length', axis)
    y = Einsum(
        'BLF,FD->BLD', (hidden, width), (axis, embed),
        dtype=self.dtype, bias=self.bias, name='down',
    )(y)
    return split_text(y, self.rows)

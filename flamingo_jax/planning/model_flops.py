# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Model FLOPs: what a step needs, however it is executed.

Counted are matrix products and convolutions, 2 FLOPs a multiplication, in the
jaxpr of the losses, so of any architecture. MFU is these over what the chips
could do in the time of a step.

Going backward, a product costs the same again for each of its operands that
depends on a trained parameter:

  vision encoder                     1 x forward   (no gradient at all)
  resampler's map of the features    2 x           (no gradient of features)
  resampler, gated blocks            3 x
  frozen language model              2 x           (no gradient of weights)
  products of attention              3 x           (two inputs)
  a model that is trained whole      3 x

It is the forward pass that is read, so products that are computed again
(rematerialisation) don't count. Attention counts every key, masked or not, as
the paper's implementation does.
"""

from collections.abc import Callable, Mapping, Sequence
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Var
import numpy as np

from flamingo_jax.training.accumulate import split_batch
from flamingo_jax.training.trained_model import Batch, TrainedModel
from flamingo_jax.typing import Tree


def train_flops(
    model: TrainedModel, params: Tree, frozen_params: Tree, batch: Batch
) -> float:
  """Of one update over all datasets, without the optimizer.

  Weights and the batch, flat '<dataset>/<feature>' -> [B, k_d, ...], may be
  shapes.
  """
  def losses(params, frozen_params, batch):
    batch = model.prepare(frozen_params, batch)
    return [
        model.summed_loss(params, frozen_params, examples)
        for examples in split_batch(batch).values()
    ]

  return _flops_of(losses, len(jax.tree.leaves(params)), (
      params, frozen_params, dict(batch)
  ))


def forward_flops(function: Callable[..., Any], *arguments: Any) -> float:
  """Of a call without gradients; arguments may be shapes."""
  return _flops_of(function, 0, arguments)


def _flops_of(
    function: Callable[..., Any], trained: int, arguments: tuple[Any, ...]
) -> float:
  """Of a function whose first `trained` leaves get a gradient."""
  jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
  varies = [i < trained for i in range(len(jaxpr.invars))]
  return _count(jaxpr, varies)[0]


def _count(jaxpr: Jaxpr, varies: Sequence[bool]) -> tuple[float, list[bool]]:
  """(FLOPs, which results depend on a trained parameter).

  `varies` says which inputs do.
  """
  total = 0.0
  known = dict(zip(jaxpr.invars, varies, strict=True))
  depends = lambda x: isinstance(x, Var) and known.get(x, False)
  for equation in jaxpr.eqns:
    flops, results = _count_equation(
        equation, [depends(x) for x in equation.invars]
    )
    total += flops
    for result, dependent in zip(equation.outvars, results, strict=True):
      known[result] = dependent and jnp.issubdtype(
          result.aval.dtype, jnp.inexact
      )
  return total, [depends(x) for x in jaxpr.outvars]


def _count_equation(
    equation: JaxprEqn, varies: list[bool]
) -> tuple[float, list[bool]]:
  """As `_count`, of one equation."""
  name, params = equation.primitive.name, equation.params
  anything = [any(varies)] * len(equation.outvars)
  if name in _PRODUCTS:
    flops = _PRODUCTS[name](equation)
    return flops * (1 + sum(varies[:2])), anything
  if name == 'stop_gradient':
    return 0.0, [False] * len(equation.outvars)
  if name == 'scan':
    return _count_scan(params, varies)
  if name == 'cond':
    branches = [_count(b.jaxpr, varies[1:]) for b in params['branches']]
    return max(flops for flops, _ in branches), [
        any(results) for results in zip(*(results for _, results in branches))
    ]
  for inner in filter(None, map(_as_jaxpr, params.values())):
    if name != 'while' and len(inner.invars) == len(varies):  # a call
      return _count(inner, varies)
    if _count(inner, [False] * len(inner.invars))[0]:
      raise ValueError(f'products inside of {name} are not counted')
  return 0.0, anything


def _count_scan(
    params: Mapping[str, Any], varies: list[bool]
) -> tuple[float, list[bool]]:
  """As `_count`, when what is carried depends on all that it ever will."""
  first, count = params['num_consts'], params['num_carry']
  while True:
    flops, results = _count(params['jaxpr'].jaxpr, varies)
    before = varies[first : first + count]
    after = [a or b for a, b in zip(before, results)]
    if after == before:
      return params['length'] * flops, results
    varies = [*varies[:first], *after, *varies[first + count :]]


def _as_jaxpr(value: Any) -> Jaxpr | None:
  if isinstance(value, ClosedJaxpr):
    return value.jaxpr
  return value if isinstance(value, Jaxpr) else None


def _dot_flops(equation: JaxprEqn) -> float:
  (contracted, _), _ = equation.params['dimension_numbers']
  left = equation.invars[0].aval.shape
  summed = math.prod(left[i] for i in contracted)
  return 2.0 * math.prod(equation.outvars[0].aval.shape) * summed


def _convolution_flops(equation: JaxprEqn) -> float:
  params = equation.params
  left, right = (x.aval.shape for x in equation.invars)
  result = equation.outvars[0].aval.shape
  numbers = params['dimension_numbers']
  batch, features, *places = numbers.out_spec
  total = 2.0 * right[numbers.rhs_spec[1]] * result[batch] * result[features]
  for i, place in enumerate(places):
    total *= taps_inside(
        left[numbers.lhs_spec[2 + i]], right[numbers.rhs_spec[2 + i]],
        result[place], params['window_strides'][i], params['padding'][i][0],
        params['lhs_dilation'][i], params['rhs_dilation'][i],
    )
  return total


_PRODUCTS = {
    'dot_general': _dot_flops, 'conv_general_dilated': _convolution_flops
}


def taps_inside(
    size: int, kernel: int, results: int, stride: int, pad: int,
    dilation: int = 1, step: int = 1,
) -> int:
  """Multiplications of a convolution along one axis, none with padding.

  `pad` stands before the input; the zeros of its dilation don't count either;
  `step` is between taps.
  """
  at = np.arange(results)[:, None] * stride + np.arange(kernel) * step - pad
  last = (size - 1) * dilation
  return int(np.sum((at >= 0) & (at <= last) & (at % dilation == 0)))

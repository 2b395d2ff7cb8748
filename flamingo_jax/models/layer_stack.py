# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Layers in a stack: compiled once, and what the backward pass keeps of each."""

from collections.abc import Callable
import contextvars
import functools
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.models import lora
from flamingo_jax.sharding import is_for_one_cpu
from flamingo_jax.typing import Array, Float, Int, Tree

# What the backward pass keeps of a block instead of computing it again.
REMAT_POLICIES = {
    'none': jax.checkpoint_policies.everything_saveable,
    'full': jax.checkpoint_policies.nothing_saveable,
    # Products with weights; those of attention, whose results are as large as
    # L x S, are computed again.
    'dots': jax.checkpoint_policies.save_from_both_policies(
        jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
        jax.checkpoint_policies.save_only_these_names('output'),
    ),
    'named': jax.checkpoint_policies.save_only_these_names('output'),
}


def remat(
    policy: str, module: type[nn.Module], cache: Any = None
) -> type[nn.Module]:
  """The module, of which the backward pass keeps what the policy says.

  With a cache there is none, and less to trace.
  """
  if cache is not None:
    return module
  return nn.remat(module, policy=REMAT_POLICIES[policy], prevent_cse=False)


def per_turn(layers: int, width: int, cache: Any = None) -> int:
  """How many layers of a stack a turn of its loop has: one, or all.

  All where one CPU trains wide ones. A loop stacks what the backward pass
  needs of each layer, and cuts it out again: a tenth of a step with 12 layers of
  width 512 and three blocks. Compiling takes longer (24 s, not 18; 21, not 11,
  with 30 layers and ten blocks), which small layers would not repay. With a
  cache nothing is stacked, nor gained.
  """
  is_worth_it = cache is None and width >= 512 and is_for_one_cpu()
  return max(layers, 1) if is_worth_it else 1


_only_shapes = contextvars.ContextVar('only_shapes', default=False)


def init_shapes(make: Callable[..., Tree], *args: Any) -> Tree:
  """`jax.eval_shape` of what makes random weights, in half the time.

  Each stack is traced once: their keys do not matter.
  """
  before = _only_shapes.set(True)
  try:
    # A function of its own: JAX would remember the trace for who wants the weights.
    return jax.eval_shape(lambda *args: make(*args), *args)
  finally:
    _only_shapes.reset(before)


def looks_for_invariants(module: nn.Module) -> dict[str, bool]:
  """Whether flax traces the body of a module's `nn.scan` twice, as its keyword.

  The first time it looks for results that are the same in each turn, and we have
  none; but a new model's random weights depend on how often its keys were used.
  """
  looks = module.is_initializing() and not _only_shapes.get()
  return {'check_constancy_invariants': looks}


def scan(
    parent: nn.Module, module: type[nn.Module], length: int, axis: str,
    broadcast: int, unroll: int = 1,
):
  """The module scanned `length` times, its parameters stacked in front.

  Calls take the carry, then what is stacked alike (a cache, or None), then
  `broadcast` arguments that every step gets whole. The parent calls this.
  """
  return nn.scan(
      module,
      variable_axes={'params': 0},
      split_rngs={'params': True},
      in_axes=(0,) + (nn.broadcast,) * broadcast,
      length=length,
      unroll=unroll,
      metadata_params={nn.PARTITION_NAME: axis},
      **looks_for_invariants(parent),
  )


def scan_frozen(
    layer: nn.Module,
    policy: str,
    weights: Tree,
    factors: Tree,
    group: Int[Array, ''],
    x: Float[Array, 'B L D'],
    stacked: tuple[Any, ...],
    *same: Any,
    unroll: int = 1,
) -> tuple[Float[Array, 'B L D'], Any]:
  """`scan` of a group's layers, with the weights of all groups [G, k, ...].

  A scan over groups hands each a copy of its part, which the scan over its
  layers cuts again. Frozen weights get no gradient, so each layer can cut its
  own from the whole: 1.8 % less time for a step of 14 layers of width 1024 with
  k = 7, on TPU v5e. `layer` has no parameters of its own; it gets the carry x,
  its part of what is `stacked`, first a cache or None, and `same`. The `factors`
  of low-rank updates, which get a gradient, are the group's own, [k, ...].
  """
  def step(x, weights, group, index, factors, stacked):
    params = jax.tree.map(lambda w: w[group, index], weights)
    params = lora.join(factors, params)
    return layer.apply({'params': params}, x, stacked, *same)

  if stacked[0] is None:  # with a cache there is no backward pass
    step = jax.checkpoint(
        step, policy=REMAT_POLICIES[policy], prevent_cse=False
    )
  count = jax.tree.leaves(weights)[0].shape[1]
  return jax.lax.scan(
      lambda x, at: step(x, weights, group, *at), x,
      (jnp.arange(count), factors, stacked), unroll=unroll,
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Plans of few-shot inference: reading prompts, and one more token each."""

from collections.abc import Mapping
import functools
import math
import time
from typing import Any

import jax
import jax.numpy as jnp

from flamingo_jax.planning import plan as plan_lib
from flamingo_jax.planning.model_flops import forward_flops
from flamingo_jax.planning.planned_run import PlannedRun
from flamingo_jax.planning.topologies import Topology
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_state
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.typing import Tree

SHOTS = 32  # the most of the paper's evaluations
_TOKENS = 32  # of a shot, and of an answer


def make_plans(
    run: PlannedRun,
    topology: Topology,
    mesh_shape: Mapping[str, int] | None = None,
) -> dict[str, plan_lib.Plan]:
  """{'prefill': ..., 'token': ...} at 32 shots, a prompt per data shard.

  Prefill encodes the pictures and reads the prompts; 'token' extends each of
  them by one token. Without a prefill that fits there is no 'token'.
  """
  partitioner = Partitioner(
      mesh_shape or run.mesh_shape, run.rules, topology.devices
  )
  model = run.model
  state, frozen = abstract_state(model, partitioner)
  spec = partitioner.batch_sharding.spec[0] or ()
  axes = (spec,) if isinstance(spec, str) else spec
  prompts = math.prod(partitioner.mesh.shape[axis] for axis in axes)
  length, media = (SHOTS + 1) * _TOKENS, SHOTS + 1
  shape = lambda s, dtype: jax.ShapeDtypeStruct(
      s, dtype, sharding=partitioner.batch_sharding
  )
  tokens = shape((prompts, length), jnp.int32)
  size = model.config.image_size
  batch = (
      tokens, tokens, shape((prompts,), jnp.int32),
      shape((prompts, media, 1, size, size, 3), jnp.uint8),
      shape((prompts, media, 1), bool),
  )

  structure = None  # of the cache, which travels as its leaves

  def prefill(params, frozen, tokens, media_index, last, pixels, media_mask):
    variables = {'params': merge_params(params, frozen)}
    latents = model.module.apply(
        variables, pixels, media_mask, method='encode_media'
    )
    logits, cache = model.module.apply(
        variables, tokens, media_index, latents, last,
        length + _TOKENS, method='prefill',
    )
    nonlocal structure
    leaves, structure = jax.tree.flatten(cache)
    return logits, leaves

  def token(params, frozen, tokens, leaves):
    variables = {'params': merge_params(params, frozen)}
    cache = structure.unflatten(leaves)
    logits, cache = model.module.apply(
        variables, tokens, cache, method='extend'
    )
    return logits, jax.tree.leaves(cache)

  make = functools.partial(
      _plan, run, topology, partitioner, state.params, frozen, prompts
  )
  first, compiled = make(prefill, batch, prompts * length)
  if compiled is None:
    return {'prefill': first}
  with partitioner.rules_in_use():
    shapes = jax.eval_shape(prefill, state.params, frozen, *batch)[1]
  leaves = jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
      shapes, compiled.output_shardings[1],
  )
  next_tokens = shape((prompts, 1), jnp.int32)
  second, _ = make(token, (next_tokens, leaves), prompts, donate_argnums=3)
  return {'prefill': first, 'token': second}


def _plan(
    run, topology, partitioner, params: Tree, frozen: Tree, prompts: int,
    function, arguments: tuple[Any, ...], tokens: int, **jit,
):
  """Compiles one program of decoding."""
  start = time.monotonic()
  with partitioner.rules_in_use():
    lowered = jax.jit(function, **jit).lower(params, frozen, *arguments)
  return plan_lib.compile_plan(
      lowered, topology, partitioner, start,
      sizes={
          'frozen': plan_lib.shard_gib(frozen),
          'trainable': plan_lib.shard_gib(params),
          'optimizer': 0.0,
          'batch': plan_lib.shard_gib(arguments),
      },
      rules=run.rules, remat=run.remat, num_microbatches=1,
      program=function.__name__,
      model_flops=forward_flops(function, params, frozen, *arguments),
      tokens=tokens,
      pictures=prompts * (SHOTS + 1) if tokens > prompts else 0,
  )

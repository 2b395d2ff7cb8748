# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Plans of few-shot answers: what the Predictor runs, part by part."""

from collections.abc import Mapping
import functools
import time
from typing import Any

from flax import traverse_util
import jax
import jax.numpy as jnp

from flamingo_jax import decoding, sharding
from flamingo_jax.evaluation.fewshot import BEAMS
from flamingo_jax.models import gather_cache
from flamingo_jax.planning import plan as plan_lib
from flamingo_jax.planning.model_flops import forward_flops
from flamingo_jax.planning.planned_run import PlannedRun
from flamingo_jax.planning.topologies import Topology
from flamingo_jax.predictor import programs
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import answering_dtype, merge_params
from flamingo_jax.typing import Tree

SHOTS = 32  # the most of the paper's evaluations
_TOKENS = 32  # of a shot, and of an answer


def make_plans(
    run: PlannedRun,
    topology: Topology,
    mesh_shape: Mapping[str, int] | None = None,
) -> dict[str, plan_lib.Plan]:
  """{'encode': ..., 'prefill': ..., 'token': ...} of prompts of 32 shots.

  The parts of `Predictor.generate` with the paper's three beams: 'encode' makes
  the latents of a picture per device, 'prefill' reads a prompt per part of the
  batch, and 'token' is a step of the search. After a part that does not fit
  there is none.
  """
  partitioner = Partitioner(
      mesh_shape or run.mesh_shape, run.rules, topology.devices
  )
  model = run.model.module
  trainable, frozen = _weights(run, partitioner)
  params = merge_params(trainable, frozen)
  prompts = sharding.batch_parts(partitioner.mesh, partitioner.rules)
  rows = lambda dtype, *shape: jax.ShapeDtypeStruct(
      shape, dtype, sharding=partitioner.batch_sharding
  )
  make = functools.partial(_plan, run, topology, partitioner, params, {
      'frozen': plan_lib.shard_gib(frozen),
      'trainable': plan_lib.shard_gib(trainable),
      'optimizer': 0.0,
  })

  def encode(params, pixels, mask):
    return programs.see(model, params, None, (pixels, mask))[0]

  structure = None  # of the cache, which travels as its leaves

  def prefill(params, tokens, lengths, media_index, latents):
    _, cache = decoding.read_prompts(
        model, params, decoding.Prompts(tokens, lengths, media_index, group=1),
        latents, _TOKENS,
    )
    beams = jnp.repeat(jnp.arange(prompts), BEAMS)
    nonlocal structure
    leaves, structure = jax.tree.flatten(gather_cache(cache, beams))
    return leaves

  def token(params, tokens, parents, leaves):
    cache = gather_cache(structure.unflatten(leaves), parents)
    logits, cache = decoding.extend(model, params, tokens, cache)
    return logits, jax.tree.leaves(cache)

  size, pictures = run.model.picture_size, partitioner.mesh.size
  plans = {}
  shown = (
      rows(size.dtype, pictures, 1, size.places, *size.shape),
      rows(bool, pictures, 1, size.places),
  )
  plans['encode'], compiled = make(encode, *shown, pictures=pictures)
  if compiled is None:
    return plans
  latents = jax.eval_shape(encode, params, *shown)
  length = (SHOTS + 1) * _TOKENS
  tokens = rows(jnp.int32, prompts, length)
  read = (
      tokens, rows(jnp.int32, prompts), tokens,
      rows(latents.dtype, prompts, SHOTS + 1, *latents.shape[1:]),
  )
  plans['prefill'], compiled = make(prefill, *read, tokens=prompts * length)
  if compiled is None:
    return plans
  with partitioner.rules_in_use():
    shapes = jax.eval_shape(prefill, params, *read)
  leaves = jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
      shapes, compiled.output_shardings,
  )
  beams = prompts * BEAMS
  plans['token'], _ = make(
      token, rows(jnp.int32, beams, 1), rows(jnp.int32, beams), leaves,
      tokens=prompts, donate_argnums=3,
  )
  return plans


def _weights(run: PlannedRun, partitioner: Partitioner) -> tuple[Tree, Tree]:
  """Shapes of what training trains and of the rest, as an answer reads them."""
  trainable, frozen = abstract_params(run.model, partitioner)
  return traverse_util.path_aware_map(lambda path, x: jax.ShapeDtypeStruct(
      x.shape, answering_dtype(path, x.dtype, run.model.config.dtype),
      sharding=x.sharding,
  ), trainable), frozen


def _plan(
    run: PlannedRun, topology: Topology, partitioner: Partitioner,
    params: Tree, sizes: Mapping[str, float], function: Any, *arguments: Any,
    tokens: int = 0, pictures: int = 0, **jit: Any,
) -> tuple[plan_lib.Plan, Any]:
  """Compiles one part; without it, it doesn't fit."""
  start = time.monotonic()
  with partitioner.rules_in_use():
    lowered = jax.jit(function, **jit).lower(params, *arguments)
  return plan_lib.compile_plan(
      lowered, topology, partitioner, start,
      sizes={**sizes, 'batch': plan_lib.shard_gib(arguments)},
      rules=run.rules, remat=run.remat, num_microbatches=1,
      program=function.__name__,
      model_flops=forward_flops(function, params, *arguments), tokens=tokens,
      pictures=pictures,
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The train and eval steps, and Trainer, which compiles them for a mesh."""

from collections.abc import Mapping
import functools
from typing import Any

import flax.linen as nn
from flax import struct, traverse_util
import jax
import jax.numpy as jnp
import optax

from flamingo_jax.training.accumulate import compute_gradients, split_batch
from flamingo_jax.training.optimizer import Schedule
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import Batch, TrainedModel
from flamingo_jax.typing import Array, Tree


# For programs that run once: compiling is what takes their time (25 s of a CPU
# for the tiny model's initial weights, 10 s so).
_QUICK = {'xla_backend_optimization_level': 0}


@struct.dataclass
class TrainState:
  """All that a step changes; the frozen weights are not in it.

  Leaves are arrays, or shapes where a state is only described.
  """

  step: Any  # int32[], updates done
  params: Tree  # the trainable tree, float32
  opt_state: Any


def gradients_and_metrics(
    model: TrainedModel,
    params: Tree,
    frozen_params: Tree,
    batch: Batch,
    loss_weights: Mapping[str, float],
    num_microbatches: int | None,
) -> tuple[Tree, dict[str, Array]]:
  """All of a training step but the optimizer's part; both drivers call it.

  Returns:
    The gradient over all datasets, and float32 scalars: those of
    `compute_gradients`, 'grad_norm' before clipping, 'tokens' that are learnt,
    and 'images', the media of the batch that are not padding, if it has any.
  """
  grads, metrics = compute_gradients(
      model, params, frozen_params, batch, loss_weights, num_microbatches or 1
  )
  metrics['grad_norm'] = optax.global_norm(grads)
  examples = split_batch(batch).values()
  metrics['tokens'] = sum(
      jnp.sum(x['loss_weights'] > 0, dtype=jnp.float32) for x in examples
  )
  if media := [x['media_mask'] for x in examples if 'media_mask' in x]:
    metrics['images'] = sum(
        jnp.sum(jnp.any(mask, axis=-1), dtype=jnp.float32) for mask in media
    )
  return grads, metrics


def train_step(
    state: TrainState,
    frozen_params: Tree,
    batch: Batch,
    *,
    model: TrainedModel,
    loss_weights: Mapping[str, float],
    num_microbatches: int | None,
) -> tuple[TrainState, dict[str, Array]]:
  """One update over all datasets of `batch` (Flamingo §2.4).

  Returns:
    The new state and the metrics of `gradients_and_metrics`.
  """
  grads, metrics = gradients_and_metrics(
      model, state.params, frozen_params, batch, loss_weights, num_microbatches
  )
  updates, opt_state = model.optimizer.update(
      grads, state.opt_state, state.params
  )
  state = TrainState(
      step=state.step + 1,
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
  )
  return state, metrics


class Trainer:
  """Compiles the steps of a run for the devices of its partitioner."""

  def __init__(
      self,
      model: TrainedModel,
      partitioner: Partitioner,
      learning_rate_fn: Schedule,
      loss_weights: Mapping[str, float],
      num_microbatches: int | None = None,
  ):
    """Nothing is compiled yet.

    Args:
      model: the model with its optimizer.
      partitioner: the mesh and its rules.
      learning_rate_fn: the optimizer's schedule, for the metrics.
      loss_weights: the paper's lambda of each dataset.
      num_microbatches: parts of each dataset's batch; None is 1.
    """
    self.model = model
    self.partitioner = partitioner
    self.learning_rate_fn = learning_rate_fn
    self.loss_weights = dict(loss_weights)
    self._train_step = functools.partial(
        train_step,
        model=model,
        loss_weights=self.loss_weights,
        num_microbatches=num_microbatches,
    )
    self._eval_step = jax.jit(model.summed_loss)

  def lower_train(
      self, state: TrainState, frozen_params: Tree, batch: Batch
  ) -> jax.stages.Lowered:
    """The train step for arguments that may be shapes with shardings."""
    shardings = jax.tree.map(lambda x: x.sharding, state)
    step = jax.jit(
        self._train_step,
        donate_argnums=0,
        out_shardings=(shardings, self.partitioner.replicated),
    )
    with self.partitioner.rules_in_use():
      return step.lower(state, frozen_params, dict(batch))

  def compile_train(
      self, state: TrainState, frozen_params: Tree, batch: Batch
  ) -> jax.stages.Compiled:
    """The compiled step: (state, frozen_params, batch) -> (state, metrics).

    The state that is given to it is donated: its buffers become the new one's.
    """
    return self.lower_train(state, frozen_params, batch).compile()

  def eval_step(
      self, params: Tree, frozen_params: Tree, examples: Batch
  ) -> tuple[Array, Array]:
    """(summed loss, weight) of one dataset's un-prefixed batch [B, ...]."""
    with self.partitioner.rules_in_use():
      return self._eval_step(params, frozen_params, dict(examples))


def init_state(
    model: TrainedModel,
    partitioner: Partitioner,
    rng: Array,
    pretrained: Tree | None = None,
) -> tuple[TrainState, Tree]:
  """A new run: (state, frozen_params), every leaf where its rules put it.

  Args:
    model: what is trained.
    partitioner: says where every leaf goes.
    rng: of the random weights.
    pretrained: a part of both trees together, already in its place; no random
      weights are made for it.
  """
  abstract, frozen = abstract_state(model, partitioner)
  pretrained = traverse_util.flatten_dict(pretrained or {})

  def is_random(tree):
    flat = traverse_util.flatten_dict(tree)
    return {path: x for path, x in flat.items() if path not in pretrained}

  def init(rng):
    variables = nn.unbox(model.initialize(rng))
    params = variables['params']
    state = jnp.int32(0), model.optimizer.init(params)
    return state, is_random(params), is_random(variables['frozen_params'])

  def complete(random, tree):
    paths = traverse_util.flatten_dict(tree)
    return traverse_util.unflatten_dict(
        {path: pretrained.get(path, random.get(path)) for path in paths}
    )

  shardings = jax.tree.map(
      lambda x: x.sharding,
      ((abstract.step, abstract.opt_state), is_random(abstract.params),
       is_random(frozen)),
  )
  with partitioner.rules_in_use():
    lowered = jax.jit(init, out_shardings=shardings).lower(rng)
  compiled = lowered.compile(compiler_options=_QUICK)
  (step, opt_state), params, frozen_params = compiled(rng)
  params = complete(params, abstract.params)
  state = TrainState(step=step, params=params, opt_state=opt_state)
  return state, complete(frozen_params, frozen)


def abstract_state(
    model: TrainedModel, partitioner: Partitioner
) -> tuple[TrainState, Tree]:
  """Shapes, dtypes and shardings of `init_state`, without its memory."""
  params, frozen_params = abstract_params(model, partitioner)
  whole = lambda x: jax.ShapeDtypeStruct(
      x.shape, x.dtype, sharding=partitioner.replicated
  )
  # Moments lie where their parameters do.
  opt_state = optax.tree.map_params(
      model.optimizer,
      lambda x, p: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=p.sharding),
      jax.eval_shape(model.optimizer.init, params),
      params,
      transform_non_params=whole,
  )
  step = whole(jax.ShapeDtypeStruct((), jnp.int32))
  return (
      TrainState(step=step, params=params, opt_state=opt_state),
      frozen_params,
  )


def abstract_params(
    model: TrainedModel, partitioner: Partitioner
) -> tuple[Tree, Tree]:
  """Shapes, dtypes and shardings of (params, frozen_params)."""
  boxed = model.shapes
  place = lambda tree: jax.tree.map(
      lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
      nn.unbox(tree),
      partitioner.get_shardings(tree),
  )
  return place(boxed['params']), place(boxed['frozen_params'])

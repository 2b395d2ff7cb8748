# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Optimizers and schedules of Flamingo (B.1.2) and of its towers."""

from collections.abc import Callable, Mapping
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from flamingo_jax.errors import UserError
from flamingo_jax.typing import Array, Tree

Schedule = Callable[[int | Array], float | Array]


def linear_warmup_constant(
    peak: float = 1e-4, warmup_steps: int = 5000
) -> Schedule:
  """The paper's schedule: 0 to `peak` in `warmup_steps`, then constant.

  Args:
    peak: the learning rate from step `warmup_steps` on.
    warmup_steps: 0 starts at `peak`.

  Returns:
    A function from the number of updates done to a float32 learning rate.
  """

  def schedule(step: int | Array) -> Array:
    done = (jnp.asarray(step, jnp.float32) / warmup_steps
            if warmup_steps else 1.0)
    return jnp.asarray(peak, jnp.float32) * jnp.minimum(done, 1.0)

  return schedule


def linear_warmup_cosine(
    peak: float, warmup_steps: int, total_steps: int
) -> Schedule:
  """Chinchilla's schedule: up to `peak`, then along a cosine to a tenth of it.

  Args:
    peak: the learning rate at step `warmup_steps`.
    warmup_steps: of a linear rise from 0.
    total_steps: where a tenth is reached, and kept.

  Raises:
    UserError: the warm-up is longer than the run.
  """
  fall = lambda done: 0.1 + 0.45 * (1 + jnp.cos(jnp.pi * done))
  return _rise_and_fall(peak, warmup_steps, total_steps, fall)


def linear_warmup_exponential(
    peak: float, warmup_steps: int, total_steps: int
) -> Schedule:
  """Up to `peak`, then exponentially to a tenth of it (Flamingo B.2.2).

  Args:
    peak: the learning rate at step `warmup_steps`.
    warmup_steps: of a linear rise from 0.
    total_steps: where a tenth is reached, and kept.

  Raises:
    UserError: the warm-up is longer than the run.
  """
  return _rise_and_fall(
      peak, warmup_steps, total_steps, lambda done: 0.1**done
  )


def linear_warmup_linear(
    peak: float, warmup_steps: int, total_steps: int
) -> Schedule:
  """Up to `peak`, then down to 0, both in straight lines (Flamingo B.1.3).

  Args:
    peak: the learning rate at step `warmup_steps`.
    warmup_steps: of the rise from 0; of no length in the paper.
    total_steps: where 0 is reached.

  Raises:
    UserError: the warm-up is longer than the run.
  """
  fall = lambda done: 1 - done
  return _rise_and_fall(peak, warmup_steps, total_steps, fall)


def _rise_and_fall(
    peak: float,
    warmup_steps: int,
    total_steps: int,
    fall: Callable[[Array], Array],
) -> Schedule:
  """`fall` is the share of the peak when a share of what follows it is done."""
  if warmup_steps >= total_steps:
    raise UserError(
        f'WARMUP_STEPS is {warmup_steps} and TRAIN_STEPS {total_steps}: a '
        'warm-up has to be shorter than the run: set --gin.WARMUP_STEPS, too'
    )

  def schedule(step: int | Array) -> Array:
    step = jnp.asarray(step, jnp.float32)
    rise = step / max(warmup_steps, 1)
    done = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * jnp.where(
        step < warmup_steps, rise, fall(jnp.clip(done, 0.0, 1.0))
    )

  return schedule


def decay_mask(params: Tree) -> Tree:
  """True where weight decay applies: everywhere but in the Resampler."""
  # The mask is a tree of the parameters' own kind: t5x's are FrozenDicts.
  return jax.tree_util.tree_map_with_path(
      lambda path, _: jax.tree_util.DictKey('resampler') not in path, params
  )


def make_optimizer(
    learning_rate: Schedule,
    weight_decay: float = 0.1,
    clip: float = 1.0,
    b2: float = 0.999,
    rates: Mapping[str, float] | None = None,
) -> optax.GradientTransformation:
  """AdamW on the trainable tree, after clipping by the global norm.

  Betas and epsilon are not published; they are optax's defaults. Moments have
  the dtype of the parameters, which is float32.

  Args:
    learning_rate: a schedule of `linear_warmup_constant`'s kind. Update t (from
      1) uses learning_rate(t), so a warm-up from 0 wastes no first update.
    weight_decay: 0.1 in the paper; never applied to the Resampler.
    clip: the largest global norm of the gradient that is let through.
    b2: decay of the second moment.
    rates: {module or parameter: its learning rate over that of all else}. Gates
      that begin at 0 take thousands of steps to open at 1e-4, which a short run
      has not ('attn_gate', 'ffw_gate': 5). Around a language model that does not
      know captions yet, feed-forwards that see no picture learn them by heart
      ('ffw_gate': 0.1), and to a Resampler that learns as fast meanwhile
      pictures are noise, which it takes away ('resampler': 0.1).

  Raises:
    UserError: nothing that is trained has a name of `rates`.
  """
  adamw = _clipped_adamw(learning_rate, weight_decay, clip, b2, decay_mask)
  return optax.chain(adamw, _scaled(rates)) if rates else adamw


def _scaled(rates: Mapping[str, float]) -> optax.GradientTransformation:
  """Multiplies updates of what is at a path with one of the names."""

  def names_at(path: tuple[Any, ...]) -> list[str]:
    return [key.key for key in path if key.key in rates]

  def scale(path: tuple[Any, ...], update: Array) -> Array:
    return update * math.prod(rates[name] for name in names_at(path))

  def update(updates: Tree, params: Tree) -> Tree:
    del params
    known = {
        name for path, _ in jax.tree_util.tree_leaves_with_path(updates)
        for name in names_at(path)
    }
    if missing := sorted(rates.keys() - known):
      raise UserError(
          f'make_optimizer.rates has {missing[0]!r}, and nothing that is trained '
          'has this name; a module or parameter of the model does, such as '
          "'resampler' or 'attn_gate'"
      )
    return jax.tree_util.tree_map_with_path(scale, updates)

  return optax.stateless(update)


def _clipped_adamw(
    learning_rate: Schedule,
    weight_decay: float,
    clip: float,
    b2: float,
    mask: Callable[[Tree], Tree],
) -> optax.GradientTransformation:
  return optax.chain(
      optax.clip_by_global_norm(clip),
      optax.adamw(
          lambda count: learning_rate(count + 1),
          b2=b2,
          weight_decay=weight_decay,
          mask=mask,
      ),
  )


# The vectors of a language model: norms and the biases of attention.
_VECTORS = frozenset(('scale', 'content_bias', 'position_bias'))


def matrix_mask(params: Tree) -> Tree:
  """True for matrices; layers are stacked, so the shape does not tell."""
  return jax.tree_util.tree_map_with_path(
      lambda path, _: path[-1].key not in _VECTORS, params
  )


def language_model_optimizer(
    learning_rate: Schedule,
    weight_decay: float = 0.1,
    clip: float = 1.0,
    b2: float = 0.95,
) -> optax.GradientTransformation:
  """AdamW on all of a language model, after clipping by the global norm.

  Chinchilla publishes neither betas nor decay; these are those of most models
  of its kind since GPT-3.

  Args:
    learning_rate: update t (from 1) uses learning_rate(t).
    weight_decay: of matrices, not of norms and biases.
    clip: the largest global norm of the gradient that is let through.
    b2: decay of the second moment.
  """
  return _clipped_adamw(learning_rate, weight_decay, clip, b2, matrix_mask)


def contrastive_optimizer(
    learning_rate: Schedule, agc: float = 1e-2, clip: float = 10.0
) -> optax.GradientTransformation:
  """Adam on both towers, each clipped in its own way (Flamingo B.1.3).

  Args:
    learning_rate: update t (from 1) uses learning_rate(t).
    agc: of the vision encoder: the largest norm of a unit's gradient over the
      norm of its weights (adaptive gradient clipping, Brock et al. 2021).
    clip: the largest global norm of the gradient of all else.
  """
  return optax.chain(
      optax.stateless(lambda grads, params: clip_towers(
          grads, params, agc, clip
      )),
      optax.adam(lambda count: learning_rate(count + 1)),
  )


def clip_towers(grads: Tree, params: Tree, agc: float, clip: float) -> Tree:
  """Clips the vision encoder unit by unit, the rest by its global norm.

  What is behind the encoder's last convolution is not of it, as NFNets leave
  out their last layer.
  """
  of_vision = lambda path: path[0].key == 'vision_encoder'
  leaves = jax.tree_util.tree_leaves_with_path(grads)
  norm = optax.global_norm([g for path, g in leaves if not of_vision(path)])
  scale = jnp.minimum(1.0, clip / jnp.maximum(norm, 1e-12))

  def one(path, grad, param):
    if not of_vision(path):
      return grad * scale
    def unitwise(grad, param):
      # A unit is an output, which is a kernel's last axis; a vector is one.
      inputs = tuple(range(grad.ndim - 1)) or None
      clipping = optax.adaptive_grad_clip(agc, axis=inputs)
      return clipping.update(grad, optax.EmptyState(), param)[0]

    # The like blocks of a stage are stacked (nfnet.NFNet).
    stacked = any(key.key.endswith('_blocks') for key in path)
    return (jax.vmap(unitwise) if stacked else unitwise)(grad, param)

  return jax.tree_util.tree_map_with_path(one, grads, params)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""AdamW as Flamingo uses it: learning rate, decay and clipping (B.1.2)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

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
) -> optax.GradientTransformation:
  """AdamW on the trainable tree, after clipping by the global norm.

  Betas and epsilon are not published; they are optax's defaults. Moments have
  the dtype of the parameters, which is float32.

  Args:
    learning_rate: a schedule of `linear_warmup_constant`'s kind. Update t (from
      1) uses learning_rate(t), so a warm-up from 0 wastes no first update.
    weight_decay: 0.1 in the paper; never applied to the Resampler.
    clip: the largest global norm of the gradient that is let through.
  """
  return optax.chain(
      optax.clip_by_global_norm(clip),
      optax.adamw(
          lambda count: learning_rate(count + 1),
          weight_decay=weight_decay,
          mask=decay_mask,
      ),
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, returned as (sum, weight) so that parts of a batch add exactly."""

import jax
import jax.numpy as jnp

from flamingo_jax.typing import Array, Float, Int


def weighted_cross_entropy(
    logits: Float[Array, 'B L V'],
    targets: Int[Array, 'B L'],
    weights: Float[Array, 'B L'],
) -> tuple[Float[Array, ''], Float[Array, '']]:
  """Next-token cross-entropy in nats (Flamingo eq. 1), in float32.

  The mean is sum / weight; dividing is left to the caller because a mean of
  means is wrong when microbatches hold different amounts of padding.

  Args:
    logits: unnormalised scores of the next token.
    targets: ids in [0, V); their value is ignored where the weight is 0.
    weights: 0 on padding.

  Returns:
    (sum of weight * loss, sum of weights).
  """
  logits = logits.astype(jnp.float32)
  weights = weights.astype(jnp.float32)
  chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
  loss = jax.nn.logsumexp(logits, axis=-1) - chosen
  return jnp.sum(loss * weights), jnp.sum(weights)

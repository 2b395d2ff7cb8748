# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Losses, returned as (sum, weight) so that parts of a batch add exactly."""

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp

from flamingo_jax.sharding import constrain
from flamingo_jax.typing import Array, Bool, Float, Int


def weighted_cross_entropy(
    scores: Sequence[Float[Array, 'B L _']],
    targets: Int[Array, 'B L'],
    weights: Float[Array, 'B L'],
) -> tuple[Float[Array, ''], Float[Array, '']]:
  """Next-token cross-entropy in nats (Flamingo eq. 1), in float32.

  The mean is sum / weight; dividing is left to the caller because a mean of
  means is wrong when microbatches hold different amounts of padding.

  Args:
    scores: logits of the next token, of one stretch of the V ids after the
      other (`Unembedding.scores`).
    targets: ids in [0, V); their value is ignored where the weight is 0.
    weights: 0 on padding.

  Returns:
    (sum of weight * loss, sum of weights).
  """
  weights = weights.astype(jnp.float32)
  start, chosen, norms = 0, 0.0, []
  for logits in scores:
    logits = logits.astype(jnp.float32)
    norms.append(jax.nn.logsumexp(logits, axis=-1))
    place = targets - start
    at = jnp.clip(place, 0, logits.shape[-1] - 1)
    found = jnp.take_along_axis(logits, at[..., None], axis=-1)[..., 0]
    chosen += jnp.where(at == place, found, 0.0)
    start += logits.shape[-1]
  loss = functools.reduce(jnp.logaddexp, norms) - chosen
  return jnp.sum(loss * weights), jnp.sum(weights)


def contrastive_loss(
    images: Float[Array, 'N J'],
    texts: Float[Array, 'N J'],
    inverse_temperature: Float[Array, ''],
    weights: Float[Array, 'N'],
    excluded: Bool[Array, 'N N'] | None = None,
    label_smoothing: float = 0.1,
) -> tuple[Float[Array, ''], Float[Array, '']]:
  """Which text is a picture's, and which picture a text's (Flamingo B.1.3).

  Two cross-entropies, summed; every other pair of the whole batch, on whatever
  device it is, is a negative.

  Args:
    images: unit vectors of the pictures.
    texts: those of their texts, in the same order.
    inverse_temperature: what cosines are multiplied by.
    weights: of the pairs; those of weight 0 are no negatives either.
    excluded: pairs (picture, text) that are no negatives; None: there are none.
    label_smoothing: the share of the target that is spread over all candidates.

  Returns:
    (sum of weight * loss, sum of weights), in nats.
  """
  images = constrain(images, 'batch', 'joint')
  # Every device compares its pictures with all texts.
  texts = constrain(texts, None, 'joint')
  logits = inverse_temperature * jnp.einsum(
      'NJ,MJ->NM', images, texts, preferred_element_type=jnp.float32
  )
  logits = constrain(logits, 'batch', None)
  weights = weights.astype(jnp.float32)
  candidates = (weights[:, None] > 0) & (weights[None] > 0)
  if excluded is not None:
    candidates &= ~excluded
  same = jnp.eye(len(images), dtype=bool)
  candidates |= same
  matching = jnp.sum(jnp.where(same, logits, 0.0), axis=1)
  loss = 0.0
  for axis in (1, 0):
    count = jnp.sum(candidates, axis=axis)
    mean = jnp.sum(jnp.where(candidates, logits, 0.0), axis=axis) / count
    norm = jax.nn.logsumexp(logits, axis=axis, where=candidates)
    loss += norm - (1 - label_smoothing) * matching - label_smoothing * mean
  return jnp.sum(loss * weights), jnp.sum(weights)


def same_rows(rows: Int[Array, 'N L']) -> Bool[Array, 'N N']:
  """Which rows of ids are the same, by a hash: N^2 numbers instead of N^2 L."""
  places = jnp.arange(rows.shape[1], dtype=jnp.uint32)
  factors = jnp.uint32(0x9E3779B1) ** places
  mixed = rows.astype(jnp.uint32) * jnp.uint32(0x85EBCA6B)
  mixed ^= mixed >> 13
  hashes = jnp.sum(mixed * factors, axis=1, dtype=jnp.uint32)
  return hashes[:, None] == hashes[None]

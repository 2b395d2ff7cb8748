# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted cross-entropy against its definition."""

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.training.losses import (
    contrastive_loss,
    same_rows,
    weighted_cross_entropy,
)


def test_sum_and_weight_are_those_of_the_definition():
  logits = jax.random.normal(jax.random.key(0), (2, 3, 5)) * 4
  targets = jnp.array([[0, 4, 2], [1, 1, 3]])
  weights = jnp.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
  expected = sum(
      -w * np.log(np.exp(x[t]) / np.exp(x).sum())
      for x, t, w in zip(
          np.asarray(logits, np.float64).reshape(-1, 5),
          np.ravel(targets),
          np.ravel(weights),
      )
  )
  for scores in ((logits,), (logits[..., :2], logits[..., 2:4], logits[..., 4:])):
    total, weight = weighted_cross_entropy(scores, targets, weights)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert weight == 2.5


def test_padding_has_no_gradient_and_bfloat16_is_summed_in_float32():
  logits = jnp.zeros((1, 2, 300), jnp.bfloat16)
  targets = jnp.zeros((1, 2), jnp.int32)
  weights = jnp.array([[1.0, 0.0]])

  def loss(x):
    return weighted_cross_entropy((x,), targets, weights)[0]

  np.testing.assert_allclose(loss(logits), np.log(300), rtol=1e-6)
  grads = jax.grad(loss)(logits)
  assert jnp.all(grads[0, 1] == 0) and jnp.any(grads[0, 0] != 0)


def unit_vectors(seed, count=5):
  x = np.random.default_rng(seed).normal(size=(count, 3))
  return jnp.array(x / np.linalg.norm(x, axis=1, keepdims=True), jnp.float32)


def contrastive_by_hand(images, texts, scale, weights, excluded, smoothing):
  """Pair by pair, direction by direction."""
  total = 0.0
  for i in np.flatnonzero(weights):
    for queries, keys, out in (
        (images, texts, excluded), (texts, images, excluded.T)
    ):
      others = [
          j for j in range(len(weights))
          if j == i or (weights[j] > 0 and not out[i, j])
      ]
      scores = np.array([scale * queries[i] @ keys[j] for j in others])
      log_probs = scores - np.log(np.exp(scores).sum())
      target = np.full(len(others), smoothing / len(others))
      target[others.index(i)] += 1 - smoothing
      total -= weights[i] * target @ log_probs
  return total


def test_contrastive_loss_is_that_of_the_definition():
  images, texts = unit_vectors(0), unit_vectors(1)
  weights = jnp.array([1.0, 1.0, 0.0, 1.0, 1.0])
  none = jnp.zeros((5, 5), bool)
  for excluded in (none, same_rows(jnp.array([[1], [2], [3], [2], [4]]))):
    for smoothing in (0.0, 0.1):
      total, weight = contrastive_loss(
          images, texts, jnp.float32(7.0), weights, excluded, smoothing
      )
      expected = contrastive_by_hand(
          *map(np.asarray, (images, texts)), 7.0, np.array(weights),
          np.array(excluded), smoothing,
      )
      np.testing.assert_allclose(total, expected, rtol=1e-5)
      assert weight == 4
  np.testing.assert_allclose(
      contrastive_loss(images, texts, jnp.float32(7.0), weights),
      contrastive_loss(images, texts, jnp.float32(7.0), weights, none, 0.1),
  )


def test_same_rows_are_found():
  rows = np.random.default_rng(0).integers(0, 9, (300, 4))
  expected = np.all(rows[:, None] == rows[None], axis=-1)
  assert expected.sum() > 300
  np.testing.assert_array_equal(same_rows(jnp.array(rows)), expected)

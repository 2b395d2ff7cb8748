# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted cross-entropy against its definition."""

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.training import losses


# Each operation would be a program of its own.
weighted_cross_entropy = jax.jit(losses.weighted_cross_entropy)
contrastive_loss = jax.jit(losses.contrastive_loss, static_argnums=5)
same_rows = jax.jit(losses.same_rows)


def test_sum_and_weight_are_those_of_the_definition():
  logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32) * 4
  targets = np.array([[0, 4, 2], [1, 1, 3]])
  weights = np.float32([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
  expected = sum(
      -w * np.log(np.exp(x[t]) / np.exp(x).sum())
      for x, t, w in zip(
          logits.astype(np.float64).reshape(-1, 5),
          np.ravel(targets),
          np.ravel(weights),
      )
  )
  for scores in ((logits,), (logits[..., :2], logits[..., 2:4], logits[..., 4:])):
    total, weight = weighted_cross_entropy(scores, targets, weights)
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert weight == 2.5


def test_padding_has_no_gradient_and_bfloat16_is_summed_in_float32():
  logits = np.zeros((1, 2, 300), jnp.bfloat16)
  targets = np.zeros((1, 2), np.int32)
  weights = np.float32([[1.0, 0.0]])

  def loss(x):
    return weighted_cross_entropy((x,), targets, weights)[0]

  value, grads = jax.device_get(jax.jit(jax.value_and_grad(loss))(logits))
  np.testing.assert_allclose(value, np.log(300), rtol=1e-6)
  assert np.all(grads[0, 1] == 0) and np.any(grads[0, 0] != 0)


def unit_vectors(seed, count=5):
  x = np.random.default_rng(seed).normal(size=(count, 3))
  return np.float32(x / np.linalg.norm(x, axis=1, keepdims=True))


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
  weights, scale = np.float32([1.0, 1.0, 0.0, 1.0, 1.0]), np.float32(7.0)
  none = np.zeros((5, 5), bool)
  for excluded in (none, same_rows(np.array([[1], [2], [3], [2], [4]]))):
    for smoothing in (0.0, 0.1):
      total, weight = contrastive_loss(
          images, texts, scale, weights, excluded, smoothing
      )
      expected = contrastive_by_hand(
          images, texts, scale, weights, np.array(excluded), smoothing
      )
      np.testing.assert_allclose(total, expected, rtol=1e-5)
      assert weight == 4
  np.testing.assert_allclose(
      contrastive_loss(images, texts, scale, weights),
      contrastive_loss(images, texts, scale, weights, none, 0.1),
  )


def test_same_rows_are_found():
  rows = np.random.default_rng(0).integers(0, 9, (300, 4))
  expected = np.all(rows[:, None] == rows[None], axis=-1)
  assert expected.sum() > 300
  np.testing.assert_array_equal(same_rows(rows), expected)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted cross-entropy against its definition."""

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.losses import weighted_cross_entropy


def test_sum_and_weight_are_those_of_the_definition():
  logits = jax.random.normal(jax.random.key(0), (2, 3, 5)) * 4
  targets = jnp.array([[0, 4, 2], [1, 1, 3]])
  weights = jnp.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
  total, weight = weighted_cross_entropy(logits, targets, weights)
  expected = sum(
      -w * np.log(np.exp(x[t]) / np.exp(x).sum())
      for x, t, w in zip(
          np.asarray(logits, np.float64).reshape(-1, 5),
          np.ravel(targets),
          np.ravel(weights),
      )
  )
  np.testing.assert_allclose(total, expected, rtol=1e-6)
  assert weight == 2.5


def test_padding_has_no_gradient_and_bfloat16_is_summed_in_float32():
  logits = jnp.zeros((1, 2, 300), jnp.bfloat16)
  targets = jnp.zeros((1, 2), jnp.int32)
  weights = jnp.array([[1.0, 0.0]])

  def loss(x):
    return weighted_cross_entropy(x, targets, weights)[0]

  np.testing.assert_allclose(loss(logits), np.log(300), rtol=1e-6)
  grads = jax.grad(loss)(logits)
  assert jnp.all(grads[0, 1] == 0) and jnp.any(grads[0, 0] != 0)

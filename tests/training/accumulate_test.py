# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Gradients over datasets and microbatches."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.training.accumulate import compute_gradients, split_batch
from tests.training.conftest import LAMBDA, make_batch


@pytest.fixture(scope='module')
def gradients(model, start):
  """batch, parts -> compute_gradients, compiled once per number of parts."""

  @functools.partial(jax.jit, static_argnums=2)
  def run(start, batch, parts):
    return compute_gradients(model, *start, batch, LAMBDA, parts)

  return lambda batch, parts=1: run(start, batch, parts)


@pytest.fixture(scope='module')
def whole(gradients):
  return gradients(make_batch(0))


def test_sum_of_weighted_gradients_is_the_gradient_of_the_weighted_sum(
    model, start, whole
):
  @jax.jit
  @jax.grad
  def gradient(params, frozen_params, batch):
    total = 0.0
    for name, examples in split_batch(batch).items():
      loss, weight = model.summed_loss(params, frozen_params, examples)
      total += LAMBDA[name] * loss / weight
    return total

  expected = gradient(*start, make_batch(0))
  chex.assert_trees_all_close(whole[0], expected, rtol=1e-4, atol=1e-7)
  assert all(jnp.any(g != 0) for g in jax.tree.leaves(whole[0]))


def test_microbatches_equal_the_whole_with_uneven_padding(gradients, whole):
  batch, parts = make_batch(0), 4
  weights = batch['m3w/loss_weights'].sum(axis=(1, 2))
  assert len({weights[i::parts].sum() for i in range(parts)}) > 1
  grads, metrics = gradients(batch, parts)
  chex.assert_trees_all_close(grads, whole[0], rtol=1e-4, atol=1e-7)
  chex.assert_trees_all_close(metrics, whole[1], rtol=1e-5)


def test_a_dataset_without_weights_changes_nothing(gradients):
  batch = make_batch(0)
  silent = batch | {'pairs/loss_weights': 0 * batch['pairs/loss_weights']}
  grads, metrics = gradients(silent)
  other = silent | {'pairs/tokens': batch['pairs/tokens'][::-1]}
  chex.assert_trees_all_equal(grads, gradients(other)[0])
  assert metrics['pairs/weight'] == 0
  assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))


def test_rows_of_a_dataset_are_all_its_examples():
  batch = make_batch(0)
  pairs = split_batch(batch)['pairs']
  assert pairs['media'].shape == (16, 1, 1, 16, 16, 3)
  np.testing.assert_array_equal(
      pairs['example_id'], batch['pairs/example_id'].ravel()
  )


def test_features_of_all_datasets_are_those_of_each_on_its_own(model, start):
  batch, (params, frozen_params) = make_batch(0), start
  encoded = jax.jit(model.prepare)(frozen_params, batch)
  assert not any(key.endswith('/media') for key in encoded)
  together, alone = split_batch(encoded), split_batch(batch)
  losses = jax.jit(model.summed_loss)
  for name in alone:
    np.testing.assert_allclose(
        losses(params, frozen_params, together[name]),
        losses(params, frozen_params, alone[name]), rtol=1e-5,
    )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Schedule, decay and clipping of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.training.optimizer import (
    linear_warmup_constant,
    linear_warmup_exponential,
    make_optimizer,
)


@pytest.mark.parametrize('step, expected', [
    (0, 0.0), (2500, 5e-5), (5000, 1e-4), (5001, 1e-4), (500_000, 1e-4),
])
def test_learning_rate_is_the_papers(step, expected):
  np.testing.assert_allclose(
      linear_warmup_constant()(step), expected, rtol=1e-6
  )


def test_the_rate_of_fine_tuning_falls_by_a_factor_of_ten():
  rate = linear_warmup_exponential(1e-5, 10, 110)
  np.testing.assert_allclose(
      [rate(5), rate(10), rate(60), rate(110), rate(500)],
      [5e-6, 1e-5, 1e-5 * 0.1**0.5, 1e-6, 1e-6], rtol=1e-5,
  )


def one_update(optimizer, params, grads):
  updates, _ = optimizer.update(grads, optimizer.init(params), params)
  return updates


def test_only_the_resampler_does_not_decay():
  params = {'resampler': {'w': jnp.ones(3)}, 'decoder': {'w': jnp.ones(3)}}
  zero = jax.tree.map(jnp.zeros_like, params)
  updates = one_update(make_optimizer(lambda step: 0.5), params, zero)
  np.testing.assert_array_equal(updates['resampler']['w'], 0)
  np.testing.assert_allclose(updates['decoder']['w'], -0.5 * 0.1)


def test_the_gradient_is_clipped_by_its_global_norm():
  # Of all that AdamW keeps, its first moment shows what gradient came in.
  params = {'a': jnp.zeros(1), 'b': jnp.zeros(1)}
  grads = {'a': jnp.full(1, 30.0), 'b': jnp.full(1, 40.0)}
  optimizer = make_optimizer(lambda step: 1.0)
  _, state = optimizer.update(grads, optimizer.init(params), params)
  moment = optax.tree.get(state, 'mu')
  np.testing.assert_allclose(moment['a'], 0.1 * 30 / 50, rtol=1e-5)
  np.testing.assert_allclose(moment['b'], 0.1 * 40 / 50, rtol=1e-5)


def test_update_t_uses_the_learning_rate_of_t():
  params = {'a': jnp.zeros(1)}
  optimizer = make_optimizer(linear_warmup_constant(1.0, 4), weight_decay=0.0)
  state = optimizer.init(params)
  for t in (1, 2, 3, 4, 5):
    updates, state = optimizer.update({'a': jnp.ones(1)}, state, params)
    # A constant gradient makes Adam's direction 1.
    np.testing.assert_allclose(-updates['a'], min(t / 4, 1), rtol=1e-4)


def test_parts_may_have_rates_of_their_own():
  block = {'attn_gate': jnp.zeros(()), 'out': jnp.zeros(3)}
  params = {'xattn': block, 'resampler': {'out': jnp.zeros(3)}}
  grads = jax.tree.map(jnp.ones_like, params)
  plain, changed = (
      one_update(make_optimizer(lambda step: 0.1, **kwargs), params, grads)
      for kwargs in ({}, {'rates': {'attn_gate': 5.0, 'resampler': 0.1}})
  )
  expected = {
      'xattn': {'attn_gate': 5 * plain['xattn']['attn_gate'],
                'out': plain['xattn']['out']},
      'resampler': {'out': 0.1 * plain['resampler']['out']},
  }
  jax.tree.map(np.testing.assert_allclose, changed, expected)
  misspelt = make_optimizer(lambda step: 0.1, rates={'atn_gate': 5.0})
  with pytest.raises(UserError, match="'atn_gate', and nothing that is trained"):
    one_update(misspelt, params, grads)

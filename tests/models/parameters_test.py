# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters, made and found."""

import chex
from flax import errors as flax_errors
from flax import linen as nn
import jax
import jax.numpy as jnp
import pytest

from flamingo_jax import models
from tests.random_weights import tiny_config

X = jnp.ones((1, 2), jnp.int32)
CONFIG = models.LanguageModelConfig(
    tiny_config(vocab=7, layers=2, xattn_every=1).decoder, 'float32'
)


def test_shapes_are_those_of_random_weights_and_leave_them_as_they_are():
  module, key = models.LanguageModel(CONFIG), jax.random.key(3)
  first = jax.jit(lambda key: module.init(key, X))(key)
  make = lambda key: module.init(key, X)
  shapes = models.init_shapes(make, key)
  again = jax.jit(make)(key)  # what was traced for shapes is not taken for it
  chex.assert_trees_all_equal(first, again)
  chex.assert_trees_all_equal(shapes, jax.eval_shape(make, key))


def test_a_parameter_of_another_shape_is_refused():
  model = models.LanguageModel(CONFIG)
  params = nn.unbox(model.init(jax.random.key(0), X))['params']
  params['decoder']['final_norm']['scale'] = jnp.ones(5)
  with pytest.raises(flax_errors.ScopeParamShapeError, match='"scale".*final_norm'):
    model.apply({'params': params}, X)
  del params['decoder']['final_norm']['scale']
  with pytest.raises(flax_errors.ScopeParamNotFoundError, match='"scale"'):
    model.apply({'params': params}, X)

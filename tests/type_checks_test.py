# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Types and shapes of arguments and results are checked in every test."""

from beartype import roar
import jax.numpy as jnp
import jaxtyping
import pytest

from flamingo_jax.decoding.prefill import Decoded
from flamingo_jax.run_dir.checkpoint import checkpoint_folder
from flamingo_jax.training.losses import same_rows, weighted_cross_entropy


def test_a_type_without_shapes():
  assert checkpoint_folder('a', 1).name == 'checkpoint_1'
  with pytest.raises(roar.BeartypeCallHintParamViolation):
    checkpoint_folder('a', '1')


def test_a_shape_of_one_argument():
  same_rows(jnp.zeros((2, 3), int))
  with pytest.raises(jaxtyping.TypeCheckError):
    same_rows(jnp.zeros(3, int))


def test_a_dimension_that_two_arguments_share():
  rows = jnp.zeros((2, 3), int)
  with pytest.raises(jaxtyping.TypeCheckError):
    weighted_cross_entropy((jnp.zeros((2, 3, 5)),), rows, jnp.ones((2, 4)))


def test_a_field_of_a_class():
  with pytest.raises(jaxtyping.TypeCheckError):
    Decoded(*[jnp.zeros((2, 2, 2, 2))] * len(Decoded.__annotations__))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What counts as another architecture."""

import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.models import variants
from flamingo_jax.run_dir.differences import check_same_values


def check(**overrides):
  """Compares flamingo_tiny with itself under overrides of its decoder."""
  own, other = (
      variants.get('flamingo_tiny', more).to_dict()
      for more in ({}, {f'decoder.{k}': x for k, x in overrides.items()})
  )
  assert own != other
  check_same_values(own, other, 'that run')


def test_how_a_model_is_computed_is_no_difference():
  check(remat='full')
  check(unroll=1)


def test_what_weights_are_for_is():
  with pytest.raises(UserError) as error:
    check(layers=4, unroll=1, context=64)
  assert str(error.value).startswith(
      'that run is of another architecture: decoder/context is 64 there and '
      '128 in this run; decoder/layers is 4 there and 3 in this run; use '
  )

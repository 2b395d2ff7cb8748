# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A fingerprint tells weights apart, and not how they lie on devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.run_dir.fingerprint import fingerprint

VALUES = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
TREE = {'a': {'kernel': VALUES}, 'b': VALUES[0]}


@pytest.mark.parametrize('other', [
    {'a': {'kernel': np.roll(VALUES, 1, axis=0)}, 'b': VALUES[0]},
    {'a': {'kernel': VALUES.reshape(8, 16)}, 'b': VALUES[0]},
    {'a': {'kernel': VALUES}, 'b': np.nextafter(VALUES[0], np.float32(9))},
    {'a': {'kernel': VALUES}, 'b': jnp.bfloat16(VALUES[0])},
    {'a': {'weights': VALUES}, 'b': VALUES[0]},
    {'a': {'kernel': VALUES}},
])
def test_other_weights_have_another_fingerprint(other):
  assert fingerprint(TREE) != fingerprint(other)


@pytest.mark.parametrize('spec', [(None,), ('x', 'y'), ('y',), (('x', 'y'),)])
def test_it_is_the_same_on_every_mesh(spec):
  mesh = jax.make_mesh((4, 2), ('x', 'y'))
  sharding = jax.sharding.NamedSharding(mesh, jax.P(*spec))
  kernel = jax.device_put(VALUES, sharding)
  assert fingerprint({'a': {'kernel': kernel}, 'b': VALUES[0]}) == (
      fingerprint(TREE)
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every rule table: what it computes, and what the compiled step splits."""

import math
import re

import chex
from flax import linen as nn
import jax
import numpy as np
import pytest

from flamingo_jax import sharding
from flamingo_jax.errors import UserError
from flamingo_jax.training.accumulate import check_microbatches
from flamingo_jax.training.partitioner import Partitioner
from tests.training.conftest import adam, train

# All three axes at once; the tests' heads, widths and texts are even.
MESH = {'replica': 2, 'fsdp': 2, 'model': 2}

# Of the dataset 'm3w' of `make_batch`: 8 examples of 10 tokens and 2 pictures.
ACTIVATIONS = {
    'residual stream': (('text', 'length', 'embed'), (8, 10, 16)),
    'queries': (('batch', 'heads', 'length', 'kv'), (8, 2, 10, 8)),
    'hidden layer': (('batch', 'length', 'mlp'), (8, 10, 64)),
    'logits': (('batch', 'length', 'vocab'), (8, 10, 2048)),
    'media of a text': (('batch', None, 'embed'), (8, 8, 16)),
    'grid of features': (('media', None, None, None), (16, 2, 2, 64)),
    'latents': (('media', None, 'embed'), (16, 4, 16)),
    'hidden layer of the resampler': (('media', 'length', 'mlp'), (16, 4, 64)),
}


@pytest.fixture(scope='module', params=sorted(sharding.RULES))
def sharded(request, model, start):
  partitioner = Partitioner(MESH, request.param)
  return partitioner, train(model, partitioner, start)


def local_shape(names, shape, partitioner):
  """What the rule table says that a device holds of an array."""
  spec = nn.logical_to_mesh_axes(names, partitioner.rules)
  axes = [(a,) if isinstance(a, str) else a or () for a in spec]
  return tuple(
      n // math.prod(MESH[axis] for axis in a) for n, a in zip(shape, axes)
  )


def test_every_table_gives_the_loss_and_gradient_of_one_device(alone, sharded):
  _, trained = sharded
  np.testing.assert_allclose(trained.losses, alone.losses, rtol=1e-5)
  paths = jax.tree_util.tree_leaves_with_path(alone.gradient)
  largest = max(np.abs(x).max() for _, x in paths)
  for (path, expected), found in zip(paths, jax.tree.leaves(trained.gradient)):
    assert np.any(expected)
    # Of a leaf's largest: single numbers may cancel to nearly 0. So may a gate's,
    # which is one sum of everything.
    scale = np.abs(expected).max() if expected.size > 1 else largest
    np.testing.assert_allclose(
        found, expected, rtol=1e-5, atol=1e-5 * scale,
        err_msg=jax.tree_util.keystr(path),
    )


def test_the_step_splits_every_parameter_and_moment_as_its_rule_says(
    model, sharded
):
  partitioner, trained = sharded
  boxed = model.shapes
  expected = jax.tree.map(
      lambda box: local_shape(box.names, box.value.shape, partitioner),
      boxed, is_leaf=sharding.is_boxed,
  )
  shapes = jax.tree.map(
      lambda x: x.shape, nn.unbox(boxed), is_leaf=sharding.is_boxed
  )
  is_shape = lambda x: isinstance(x, tuple)
  held = lambda shardings, name: jax.tree.map(
      lambda shape, s: s.shard_shape(shape), shapes[name], shardings,
      is_leaf=is_shape,
  )
  (before, frozen, _), _ = trained.compiled.input_shardings
  after, _ = trained.compiled.output_shardings
  chex.assert_trees_all_equal(
      held(frozen, 'frozen_params'), expected['frozen_params']
  )
  for state in (before, after):
    moments = adam(state.opt_state)
    for tree in (state.params, moments.mu, moments.nu):
      chex.assert_trees_all_equal(held(tree, 'params'), expected['params'])


def test_no_device_holds_the_whole_of_an_activation(sharded):
  partitioner, trained = sharded
  text = trained.compiled.as_text()
  found = {
      tuple(map(int, dims.split(',')))
      for dims in re.findall(r'\bf32\[([\d,]+)\]', text)
  }
  for what, (names, shape) in ACTIVATIONS.items():
    local = local_shape(names, shape, partitioner)
    assert local != shape
    assert local in found, f'no {what} of {local}'
    assert shape not in found, f'a device holds all of the {what}'


def test_a_batch_that_the_devices_do_not_divide_is_refused():
  with pytest.raises(UserError, match='12 rows.*8 devices'):
    Partitioner().get_data_layout(12)


def test_microbatches_that_the_devices_do_not_divide_are_refused():
  with Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel').rules_in_use():
    check_microbatches(16, 4)
    with pytest.raises(UserError, match='into 8 .* over 4 .* are 1, 2, 4$'):
      check_microbatches(16, 8)

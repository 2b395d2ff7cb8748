# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is trained: the paper's modules, and in ablations a tower too."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.accumulate import compute_gradients
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trainable import merge_params, split_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.training.conftest import make_batch


@pytest.mark.parametrize('field, tower, first', [
    ('trains_language_model', 'decoder', 'token_embedder'),
    ('trains_vision_encoder', 'vision_encoder', 'stem_conv0'),
])
def test_a_tower_is_trained_with_the_rest(
    field, tower, first, config, one_device, start
):
  model = FlamingoModel(
      dataclasses.replace(config, **{field: True}), default_vocabulary(), None
  )
  params, frozen = split_params(merge_params(*start), (tower,))
  assert jax.tree.map(jnp.shape, (params, frozen)) == jax.tree.map(
      jnp.shape, abstract_params(model, one_device)
  )
  assert set(frozen) == {'decoder', 'vision_encoder'} - {tower}
  batch = {
      name: x for name, x in make_batch(0, rows=2).items() if 'pairs' in name
  }
  grads, _ = jax.jit(
      lambda *args: compute_gradients(model, *args, {'pairs': 1.0})
  )(params, frozen, batch)
  # All the way back to where pictures, or tokens, come in.
  for x in jax.tree.leaves(grads[tower][first]):
    assert np.abs(x).max() > 0

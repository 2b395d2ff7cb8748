# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is trained: the paper's modules, and in ablations a tower too."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.driver.media_cache import MediaCache
from flamingo_jax.errors import UserError
from flamingo_jax.models.lora import LoraConfig
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


def test_an_encoder_with_updates_sees_the_pictures_of_every_step(
    config, tmp_path
):
  model = FlamingoModel(dataclasses.replace(
      config, vision=models.ViTConfig(patch=8, layers=1, width=16, heads=2),
      lora=LoraConfig(1, 1.0, ('vision_encoder/*/query',)),
  ), default_vocabulary(), None)
  assert {'layer_blocks'} == set(model.shapes['params']['vision_encoder'])
  batch = make_batch(0, rows=2)
  assert model.prepare({}, batch) is batch  # where gradients are taken
  with pytest.raises(UserError, match='train it without --cache_media'):
    MediaCache(model, model.shapes['frozen_params'], tmp_path)

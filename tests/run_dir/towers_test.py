# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is fine-tuned is the model of a run, on pictures of another size."""

import dataclasses

import jax
import pytest

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import LanguageModelConfig, variants
from flamingo_jax.run_dir.model_json import stored_config, write_model_json
from flamingo_jax.run_dir.towers import (
    finetuned_config,
    finetuned_picture_size,
)
from flamingo_jax.shipped import shipped_weights


def test_features_of_larger_pictures_meet_the_same_resampler():
  """15 x 15 of 480 pixels where there were 10 x 10 of 320, and no new weight."""
  shapes = {}
  for size, features in ((320, 100), (480, 225)):
    config = finetuned_config(None, size, 'flamingo_3b')
    assert config.trained_towers == ('vision_encoder',)
    media = jax.ShapeDtypeStruct((1, 1, 1, size, size, 3), 'uint8')
    mask = jax.ShapeDtypeStruct((1, 1, 1), bool)
    module = config.build()

    def encode(media, mask, module=module):
      (found, latents), variables = module.init_with_output(
          jax.random.key(0), media, mask, method=lambda m, *x: (
              m.features(*x), m.encode_media(*x)
          )
      )
      return found, latents, variables

    found, latents, shapes[size] = jax.eval_shape(encode, media, mask)
    assert found.shape == (1, 1, 1, features, 3072)
    assert latents.shape == (1, 1, 64, 1536)
  assert shapes[320] == shapes[480]


def test_it_is_the_model_of_the_run():
  stored = stored_config(shipped_weights())
  config = finetuned_config(shipped_weights(), 72, 'flamingo_80b')
  assert config == dataclasses.replace(
      stored, image_size=72, trains_vision_encoder=True
  )
  assert finetuned_picture_size(shipped_weights(), 72, 'flamingo_80b') == 72


def test_a_model_without_such_pictures_is_one_sentence(tmp_path):
  config = variants.get('flamingo_small', {'vision': 'tiny_vit'})
  write_model_json(tmp_path, config, default_vocabulary(), 1, 1)
  with pytest.raises(UserError, match='give --gin.IMAGE_SIZE=64$'):
    finetuned_config(str(tmp_path), 96, 'flamingo_80b')
  assert finetuned_config(str(tmp_path), 64, 'flamingo_80b').image_size == 64
  write_model_json(
      tmp_path, LanguageModelConfig(config.decoder), default_vocabulary(), 0, 1
  )
  with pytest.raises(UserError, match='holds a language model alone'):
    finetuned_config(str(tmp_path), 64, 'flamingo_80b')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays in the place of pictures, encoded by what the config names."""

import dataclasses

import jax
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax import own_code, sharding
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models.array_encoder import ArrayEncoderConfig
from flamingo_jax.training.trained_model import answering
from tests.random_weights import random_weights, tiny_config

OWN = '''
from flax import linen as nn

class Encoder(nn.Module):
  dtype: str

  @nn.compact
  def __call__(self, arrays):
    return nn.Dense(8, dtype=self.dtype)(arrays)
'''
RNG = np.random.default_rng(0)


def config(encoder):
  return dataclasses.replace(
      tiny_config(
          vocab=default_vocabulary().base_size, layers=1, xattn_every=1,
          context=64,
      ),
      vision=ArrayEncoderConfig(encoder, positions=2, channels=3),
      trains_vision_encoder=True,
  )


def array(frames):
  return RNG.normal(size=(frames, 2, 3)).astype(np.float32)


def test_answers_depend_on_features_and_on_nothing_behind_them():
  cfg = config('features')
  model = fj.Predictor(
      cfg, random_weights(cfg, scale=0.3), default_vocabulary(), frames=3
  )
  one, other = array(2), array(2)
  score = lambda x: model.score([fj.features(x), 'A'], ['b', 'c'])
  assert np.abs(score(one) - score(other)).max() > 0.01
  zeros = np.concatenate([one, np.zeros_like(one[:1])])
  assert np.abs(score(one) - score(zeros)).max() > 1e-4  # a frame of zeros is one
  with pytest.raises(UserError, match='has 4 frames, and there is room for 3'):
    score(array(4))
  with pytest.raises(UserError, match='image array> stands where arrays of 2 x'):
    model.score([fj.image(np.zeros((8, 8, 3), np.uint8)), 'A'], ['b'])


def test_an_encoder_of_ones_own_is_trained_and_placed(tmp_path, monkeypatch):
  (tmp_path / 'own_encoder.py').write_text(OWN)
  monkeypatch.chdir(tmp_path)
  cfg = config('own_encoder:Encoder')
  stored = type(cfg).from_dict(cfg.to_dict())
  assert stored == cfg
  with pytest.raises(UserError, match='a model may not choose what is imported'):
    answering(stored, default_vocabulary()).shapes
  own_code.import_module('own_encoder')
  for trains in (True, False):
    model = answering(
        dataclasses.replace(stored, trains_vision_encoder=trains),
        default_vocabulary(),
    )
    tree = model.shapes['params' if trains else 'frozen_params']
    kernel = tree['vision_encoder']['Dense_0']['kernel']
    assert sharding.is_boxed(kernel) and kernel.value.shape == (3, 8)
  # The resampler reads its tokens.
  projection = model.shapes['params']['resampler']['features_projection']
  assert jax.tree.leaves(projection)[0].shape == (8, 16)


def test_an_unknown_encoder_is_told():
  for name, sentence in (
      ('fourier', "unknown encoder 'fourier' .* there are features, and your"),
      ('no_module:Encoder', '--import=no_module before the command'),
      ('os:system', 'os has to have a class system of flax.linen modules'),
  ):
    with pytest.raises(UserError, match=sentence):
      answering(config(name), default_vocabulary()).shapes

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny model of random weights that answers."""

import pytest

import flamingo_jax as fj
from flamingo_jax.data.media import load_frames
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.predictor import media_encoder
from tests.random_weights import random_weights, tiny_config


@pytest.fixture(scope='session')
def model():
  config = tiny_config(
      vocab=default_vocabulary().base_size, layers=3, xattn_every=2, context=64
  )
  params = random_weights(config, scale=0.3)
  return fj.Predictor(config, params, default_vocabulary(), frames=2)


@pytest.fixture
def loaded(monkeypatch):
  """The media whose frames are read."""
  found = []
  monkeypatch.setattr(
      media_encoder, 'load_frames',
      lambda medium, *more: found.append(medium) or load_frames(medium, *more),
  )
  return found

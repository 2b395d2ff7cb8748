# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo convert` of a vision encoder: a tower that Flamingos are built on."""

import functools
import json

import jax
import numpy as np
import optax
import pytest

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.data.features import add_task
from flamingo_jax.data.pipeline import DatasetConfig
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.driver.start import verify_matching_vocabs
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig, ViTConfig, variants
from flamingo_jax.picture_size import Squaring
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.towers import tower_image_size, tower_overrides
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import FlamingoModel
from tests.convert.vision_encoders_test import (
    FEATURES,
    pictures,
    write_encoder,
)
from tests.random_weights import SMALL

LENGTHS = {'tokens': 4, 'media': 1}


def convert(folder, out):
  return cli.main(['convert', str(folder), f'--out={out}'])


@pytest.fixture
def tower(tmp_path):
  folder = tmp_path / 'hub'
  folder.mkdir()
  assert convert(write_encoder(folder, 'clip'), tmp_path / 'tower') == 0
  return tmp_path / 'tower'


def test_a_tower_is_told_and_answers_nothing_by_itself(tower, capsys):
  capsys.readouterr()
  assert convert(tower.with_name('hub'), tower.with_name('again')) == 0
  said = capsys.readouterr().out
  for line in (
      'clip: 6,888 parameters, 3 x 3 features of width 16 of pictures of 12 x '
      '12 pixels, cropped from a shorter side of 12 pixels (bicubic)\n',
      'position_embeddings', 'text_model. (20)', 'logit_scale (1)',
      'fingerprint ',
  ):
    assert line in said, said
  assert not (tower / 'vocabulary.model').exists()
  with pytest.raises(UserError, match='a vision encoder .* VISION_ENCODER'):
    fj.load(tower)
  with pytest.raises(UserError, match=r'no decoder \(but vision_encoder'):
    TrainStateInitializer(
        FlamingoModel(variants.get('flamingo_small', SMALL),
                      default_vocabulary(), optax.sgd(0.1)),
        Partitioner(devices=jax.devices()[:1]), language_model=str(tower),
    ).from_scratch(jax.random.key(0))


def test_a_flamingo_around_it_sees_what_it_saw_and_trains(tower):
  overrides = tower_overrides(str(tower), '')
  assert isinstance(overrides['vision'], ViTConfig)
  assert tower_image_size(str(tower), 'flamingo_small') == 12
  assert tower_image_size('', 'flamingo_small') == 64
  seen = tower_image_size(str(tower), 'flamingo_small')
  assert seen.squaring == Squaring('cropped', 'bicubic', 12)
  config = variants.get('flamingo_small', SMALL | overrides)
  # As model.json keeps it.
  assert FlamingoConfig.from_dict(
      json.loads(json.dumps(config.to_dict()))
  ) == config
  wrong = config.to_dict() | {'vision': {'patch': 4, 'windows': 2}}
  with pytest.raises(UserError, match='vision.windows is not known .*; vision.'):
    FlamingoConfig.from_dict(wrong)
  model = FlamingoModel(config, default_vocabulary(), optax.sgd(0.1))
  assert model.picture_size.squaring == seen.squaring
  add_task('towers_test', {'train': lambda: []})
  data = lambda size: DatasetConfig(
      'towers_test', {'towers_test': LENGTHS | {'image_size': size}}, 'train',
      {'towers_test': 1}, True, 0,
  )
  verify_matching_vocabs(data(seen), model, '')
  with pytest.raises(UserError, match="'towers_test' make pictures padded"):
    verify_matching_vocabs(data(12), model, '')
  partitioner = Partitioner(devices=jax.devices()[:1])
  state, frozen = TrainStateInitializer(
      model, partitioner, vision_encoder=str(tower)
  ).from_scratch(jax.random.key(0))
  see = functools.partial(model.module.apply, method='features')
  features = jax.jit(see)({'params': frozen}, pictures(12))
  np.testing.assert_allclose(features, FEATURES['clip'], atol=5e-5)

  tokens = np.array([[5, 6, 7, 8]] * 2, np.int32)
  examples = {
      'tokens': tokens, 'targets': tokens + 1,
      'media': pictures(12)[:, None, None],
      'loss_weights': np.ones((2, 4), np.float32),
      'media_index': np.ones((2, 4), np.int32),
      'media_mask': np.ones((2, 1, 1), bool),
  }
  loss = lambda params, examples: model.summed_loss(
      params, frozen, examples
  )[0]
  gradient = jax.jit(jax.grad(loss))(state.params, examples)
  assert 'vision_encoder' not in gradient
  gates = gradient['decoder']['groups']['xattn']['attn_gate']
  assert np.all(np.abs(gates) > 0)

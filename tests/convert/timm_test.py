# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted encoders of timm, alone and in folders of open_clip.

references/record_timm.py made the references.
"""

import json
import pathlib

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from flamingo_jax.convert import timm_vit
from flamingo_jax.data import media
from flamingo_jax.errors import UserError
from flamingo_jax.models import VisionEncoder, VisionEncoderConfig
from flamingo_jax.models.vision import picture_size
from flamingo_jax.picture_size import Squaring
from tests.convert.photographs import photographs
from tests.convert.reference_weights import values
from tests.convert.vision_encoders_test import pictures, read_encoder

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'timm.json').read_text())
FEATURES = np.load(REFERENCES / 'timm.npz')
# As record_timm.py registers it in timm.
timm_vit.SIZES['micro'] = (16, 3, 4)


def write_timm(folder, name, config=None, without=()):
  """A folder as the hub has it."""
  told = TOLD[name]
  save_file({
      key: values(key, tuple(shape)) for key, shape in told['tensors'].items()
      if key not in without
  }, folder / 'model.safetensors')
  prefix = 'open_clip_' * name.startswith('open_clip')
  (folder / f'{prefix}config.json').write_text(json.dumps(
      told['config'] if config is None else config
  ))
  return folder


def features(config, params, images):
  # As model.json keeps it.
  config = VisionEncoderConfig.from_dict(
      json.loads(json.dumps(config.to_dict()))
  )
  found = jax.jit(VisionEncoder(config).apply)(
      {'params': {'vision_encoder': params}}, images
  )
  side = config.vision.side(config.image_size)
  assert found.shape == (len(images), side, side, config.vision.features)
  return found


@pytest.mark.parametrize('name', TOLD)
def test_features_are_those_of_timm(tmp_path, name):
  config, params, unread = read_encoder(write_timm(tmp_path, name))
  found = features(config, params, pictures(config.image_size))
  np.testing.assert_allclose(
      found.reshape(FEATURES[name].shape), FEATURES[name], atol=5e-5
  )
  assert all(
      part.startswith(('head.', 'attn_pool.', 'visual.trunk.attn_pool.',
                       'text.', 'logit_')) for part in unread
  ), unread


def test_pictures_have_the_size_and_the_statistics_that_are_told(tmp_path):
  config = TOLD['nfnet']['config']
  told = config['pretrained_cfg'] | {'mean': [0.1, 0.2, 0.3]}
  found, _, _ = read_encoder(
      write_timm(tmp_path, 'nfnet', config | {'pretrained_cfg': told})
  )
  assert found.image_size == told['test_input_size'][-1] == 21
  assert found.vision.pixel_mean == (0.1, 0.2, 0.3)
  assert found.vision.activation == 'gelu_exact'
  del told['test_input_size']
  found, _, _ = read_encoder(
      write_timm(tmp_path, 'nfnet', config | {'pretrained_cfg': told})
  )
  assert found.image_size == told['input_size'][-1] == 16


@pytest.mark.parametrize('name, squaring', [
    # 21 / 0.9 and 12 / 0.9 pixels.
    ('nfnet', Squaring('stretched', shorter=23, rounds=True)),
    ('vit', Squaring('cropped', shorter=13, rounds=True)),
])
def test_squares_are_those_of_timm(tmp_path, name, squaring):
  config, _, _ = read_encoder(write_timm(tmp_path, name))
  assert config.vision.squaring == squaring
  size = picture_size(config.vision, config.image_size)
  for wanted, pixels in zip(
      FEATURES[f'{name} squares'], photographs().values()
  ):
    found, _ = media.load_frames(media.image(pixels), 1, size, None)
    far = np.abs(found[0].astype(int) - wanted)
    assert far.mean() < 0.1 and far.max() <= 2


def test_a_share_of_all_is_nothing_cut_off(tmp_path):
  config = TOLD['nfnet']['config']
  told = config['pretrained_cfg'] | {'test_crop_pct': 1.0, 'mean': [0, 0, 0]}
  found, _, _ = read_encoder(
      write_timm(tmp_path, 'nfnet', config | {'pretrained_cfg': told})
  )
  assert found.vision.squaring == Squaring('stretched')
  assert found.vision.pixel_mean == (0, 0, 0)


def test_old_files_say_all_in_one_place(tmp_path):
  config = dict(TOLD['nfnet']['config'])
  old = config | config.pop('pretrained_cfg')
  found, _, _ = read_encoder(write_timm(tmp_path, 'nfnet', old))
  assert found.image_size == 21


def of_timm(name, args=None, **changes):
  """A config.json with what a model is built with, and more."""
  config = TOLD[name]['config']
  return config | changes | {'model_args': config['model_args'] | (args or {})}


@pytest.mark.parametrize('name, config, words', [
    ('vit', of_timm('vit', architecture='vit_base_patch16_rope_224'),
     "architecture is 'vit_base_patch16_rope_224', and known of timm are dm_nf"),
    ('vit', of_timm('vit', architecture='nfnet_f0'), "architecture is 'nfnet_f0'"),
    ('vit', of_timm('vit', {'qk_norm': True}), 'model_args: qk_norm is True'),
    ('vit', of_timm('vit', {'in_chans': 4}), 'in_chans is 4'),
    ('vit', of_timm('vit', {'num_heads': 3}), 'heads is 3, which does not divide'),
    ('vit', of_timm('vit', {'img_size': 16}),
     'pos_embed has 10 places, .* have 16 patches'),
    ('vit', of_timm('vit', {'img_size': [12, 16]}), 'size is .* of squares'),
    ('vit', of_timm('vit', pretrained_cfg=TOLD['vit']['config'][
        'pretrained_cfg'] | {'crop_pct': 1.5}), 'crop_pct is 1.5'),
    ('vit', of_timm('vit', pretrained_cfg=TOLD['vit']['config'][
        'pretrained_cfg'] | {'crop_mode': 'border'}), "crop_mode is 'border'"),
    ('vit', of_timm('vit', {'depth': 2}), '12 tensors that are not known'),
    ('vit', of_timm('vit', pretrained_cfg=[]), r'pretrained_cfg is \[\]'),
    ('vit', of_timm('vit', pretrained_cfg={'std': 1}), "has no 'input_size'"),
    ('dinov2_giant', of_timm('dinov2_giant', architecture='vit_base_patch8_224'),
     'is gated, which is not known'),
    ('nfnet', of_timm('nfnet', {'num_features': 3072}), 'num_features is 3072'),
    ('nfnet', of_timm('nfnet', {'depths': [2, 4]}), r'no tensor .*stages\.1\.3'),
    ('nfnet', of_timm('nfnet', {'depths': [2, 0]}), 'depths is .* above 0'),
    ('nfnet', of_timm('nfnet', {'channels': [32]}), 'channels .* as many'),
    ('nfnet', of_timm('nfnet', {'group_size': 4}), r'conv2.*of shape'),
    ('nfnet', of_timm('nfnet', {'act_layer': 'silu'}), "act_layer is 'silu'"),
    ('open_clip_siglip', {'model_cfg': {'vision_cfg': {
        'timm_model_name': 'convnext_base'}}, 'preprocess_cfg': {
            'mean': [.5] * 3, 'std': [.5] * 3}},
     "timm_model_name is 'convnext_base'"),
], ids=str)
def test_what_is_not_understood_is_told(tmp_path, name, config, words):
  with pytest.raises(UserError, match=words):
    read_encoder(write_timm(tmp_path, name, config))


def test_features_before_a_norm_of_their_mean_are_not_taken(tmp_path):
  folder = write_timm(tmp_path, 'vit', without=['norm.weight', 'norm.bias'])
  tensors = load_file(folder / 'model.safetensors')
  tensors['fc_norm.weight'] = np.ones(16, np.float32)
  save_file(tensors, folder / 'model.safetensors')
  with pytest.raises(UserError, match=r"no tensor 'norm\.weight'"):
    read_encoder(folder)

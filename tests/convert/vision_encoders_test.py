# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted vision encoders against what the reference implementations say.

references/record_vision.py made the references; their weights are made anew here.
"""

import functools
import json
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from flamingo_jax.convert import rules
from flamingo_jax.convert.families import (
    VISION_ENCODERS,
    find_mapping,
    open_tensors,
    read_config,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models import VisionEncoder, VisionEncoderConfig
from tests.convert.reference_weights import values

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'vision_encoders.json').read_text())
FEATURES = np.load(REFERENCES / 'vision_encoders.npz')
# A vision encoder that config.json says by other names, or with less.
SPARSE = {
    'vision_config': None,
    'vision_config_dict': {
        'hidden_size': 16, 'intermediate_size': 24, 'num_hidden_layers': 3,
        'num_attention_heads': 4, 'image_size': 12, 'patch_size': 4,
    },
}

OPEN_CLIP = TOLD['open_clip']['config']['model_cfg']['vision_cfg']


def pictures(size):
  rng = np.random.default_rng(size)
  return rng.integers(0, 256, (2, size, size, 3), np.uint8)


def write_encoder(
    folder, name, config=None, processor=None, rename=lambda name: name
):
  """A folder as the hub has it."""
  told = TOLD[name]
  tensors = {
      rename(key): values(key, tuple(shape))
      for key, shape in told['tensors'].items()
  }
  save_file(tensors, folder / 'model.safetensors')
  file = 'config.json' if name != 'open_clip' else 'open_clip_config.json'
  (folder / file).write_text(json.dumps(
      told['config'] if config is None else config
  ))
  processor = told['processor'] if processor is None else processor
  if name != 'open_clip':
    (folder / 'preprocessor_config.json').write_text(json.dumps(processor))
  return folder


def read_encoder(folder):
  """(config, parameters of the encoder, names of tensors not read)."""
  kind, config = read_config(folder)
  tensors = open_tensors(folder, kind)
  mapping = find_mapping(folder, kind, config, tensors)
  found = {
      path: np.zeros(leaf.shape, np.float32)
      for path, leaf in rules.abstract_tower(mapping.config).items()
  }
  for path, place, piece in rules.pieces(mapping, tensors):
    found[path][place] = piece
  params = jax.device_put(traverse_util.unflatten_dict(found))
  return mapping.config, params, tensors.unused()


@pytest.fixture(scope='module')
def read(tmp_path_factory):
  return functools.cache(lambda name: read_encoder(
      write_encoder(tmp_path_factory.mktemp(name), name)
  ))


def test_every_family_has_a_reference():
  configs = [told['config'] for told in TOLD.values()]
  recorded = {config.get('model_type', 'open_clip') for config in configs}
  assert recorded == {*VISION_ENCODERS, 'open_clip'}


@pytest.mark.parametrize('name', TOLD)
def test_features_are_those_of_the_reference(read, name):
  config, params, _ = read(name)
  # As model.json keeps it.
  config = VisionEncoderConfig.from_dict(
      json.loads(json.dumps(config.to_dict()))
  )
  found = jax.jit(VisionEncoder(config).apply)(
      {'params': {'vision_encoder': params}}, pictures(config.image_size)
  )
  assert found.shape[1:3] == (config.vision.grid, config.vision.grid)
  found = found.reshape(FEATURES[name].shape)
  np.testing.assert_allclose(found, FEATURES[name], atol=5e-5)


@pytest.mark.parametrize('name, parts', [
    ('clip', {'text_model', 'text_projection', 'visual_projection',
              'logit_scale'}),
    ('clip_gelu', set()),
    ('siglip', {'text_model', 'vision_model.head', 'logit_scale',
                'logit_bias'}),
    ('siglip2', {'head'}),
    ('dinov2', {'embeddings.mask_token'}),
    ('open_clip', {'visual.proj', 'transformer', 'token_embedding', 'ln_final',
                   'positional_embedding', 'text_projection', 'logit_scale'}),
])
def test_all_but_what_is_beside_the_encoder_is_read(read, name, parts):
  unread = read(name)[2]
  assert {
      next((p for p in parts if key.startswith(p)), key) for key in unread
  } == parts


def old_prefix(name):
  """As transformers before 5 wrote vision encoders alone."""
  return f'vision_model.{name}'


@pytest.mark.parametrize('name, rename, change', [
    ('siglip2', old_prefix, {'torch_dtype': 'float32', 'top_k': 50}),
    ('clip', str, SPARSE | {'text_config_dict': None}),
    ('dinov2', lambda name: f'dinov2.{name}', {}),
])
def test_files_of_earlier_versions_are_the_same_encoder(
    tmp_path, read, name, rename, change
):
  config = TOLD[name]['config'] | change
  found, params, _ = read_encoder(
      write_encoder(tmp_path, name, config, rename=rename)
  )
  assert found == read(name)[0]
  jax.tree.map(np.testing.assert_array_equal, params, read(name)[1])


def test_pixels_may_be_told_in_older_and_newer_files(tmp_path, read):
  old = {'size': 12, 'crop_size': 12, 'feature_extractor_type': 'CLIP',
         'image_mean': TOLD['clip']['processor']['image_mean'],
         'image_std': TOLD['clip']['processor']['image_std']}
  folder = write_encoder(tmp_path, 'clip', processor=old)
  assert read_encoder(folder)[0] == read('clip')[0]
  (folder / 'preprocessor_config.json').unlink()
  new = {'image_processor': TOLD['clip']['processor']}
  (folder / 'processor_config.json').write_text(json.dumps(new))
  assert read_encoder(folder)[0] == read('clip')[0]


def test_an_encoder_in_bfloat16_is_computed_in_bfloat16(tmp_path, read):
  folder = write_encoder(tmp_path, 'clip')
  tensors = load_file(folder / 'model.safetensors')
  save_file({name: x.astype(ml_dtypes.bfloat16) for name, x in tensors.items()},
            folder / 'model.safetensors')
  config, params, _ = read_encoder(folder)
  assert config.dtype == 'bfloat16'
  assert np.isclose(
      params['layer_blocks']['query']['map']['kernel'],
      read('clip')[1]['layer_blocks']['query']['map']['kernel'], rtol=2**-8,
  ).all()


@pytest.mark.parametrize('name, change, words', [
    ('clip_gelu', {'hidden_act': 'xielu'}, "hidden_act is 'xielu'"),
    ('clip_gelu', {'rope_theta': 1e4}, 'rope_theta is 10000.0, an attribute'),
    ('clip', {'vision_config': SPARSE['vision_config_dict'] | {'fused': 1}},
     'vision_config: fused is 1, an attribute'),
    ('clip_gelu', {'num_attention_heads': 3}, 'is 3, which does not divide'),
    ('clip_gelu', {'num_channels': 4}, 'num_channels is 4'),
    ('clip_gelu', {'image_size': 16}, 'pictures of 12 pixels a side, and .* 16'),
    ('clip_gelu', {'image_size': [12, 16]}, r'image_size is \[12, 16\]'),
    ('clip_gelu', {'patch_size': 6}, 'patches_projection/kernel of shape'),
    ('clip_gelu', {'num_hidden_layers': 2}, '16 tensors that are not known'),
    ('clip_gelu', {'num_hidden_layers': 4}, r'no tensor .*layers\.3'),
    ('clip_gelu', {'intermediate_size': 25}, r'fc1.* \[16, 24\].*\[16, 25\]'),
    ('clip_gelu', {'hidden_size': '16'}, "hidden_size is '16' and has to be"),
    ('clip_gelu', {'num_hidden_layers': 0}, 'layers is 0 and has to be a whole'),
    ('clip_gelu', {'layer_norm_eps': True}, 'eps is True and has to be a num'),
    ('clip_gelu', {'hidden_act': []}, r'hidden_act is \[\]'),
    ('clip_gelu', {'model_type': []}, r"of type '\[\]' are not known"),
    ('open_clip', {'model_cfg': {'vision_cfg': OPEN_CLIP | {'layers': 2}}},
     '12 tensors that are not known'),
    ('open_clip', {'preprocess_cfg': TOLD['open_clip']['config'][
        'preprocess_cfg'] | {'size': [16, 16]}}, 'pictures of 16 pixels'),
    ('open_clip', {'model_cfg': {'vision_cfg': {'timm_model_name': 'x'}}},
     "timm_model_name is 'x'"),
    ('open_clip', {'model_cfg': {'vision_cfg': OPEN_CLIP, 'vocoder': 1}},
     'model_cfg: vocoder is 1, an attribute'),
    ('siglip', {'vision_config': 3}, 'vision_config is 3'),
    ('siglip2', {'vision_use_head': 3}, 'vision_use_head is 3'),
    ('siglip2', {'model_type': 'siglip2'}, "of type 'siglip2' are not known"),
    ('dinov2', {'qkv_bias': False}, 'qkv_bias is False'),
    ('dinov2', {'mlp_ratio': 3}, r'fc1.* \[16, 32\].*\[16, 48\]'),
    ('dinov2', {'use_swiglu_ffn': True}, 'no tensor .*weights_'),
    ('dinov2', {'image_size': 24}, r'has 26 places, .* says 1 \+ 6 x 6'),
], ids=str)
def test_what_is_not_understood_is_told(tmp_path, name, change, words):
  folder = write_encoder(tmp_path, name, TOLD[name]['config'] | change)
  with pytest.raises(UserError, match=words):
    read_encoder(folder)


@pytest.mark.parametrize('change, words', [
    ({'rescale_factor': 1.0}, 'rescale_factor is 1.0, and 1/255'),
    ({'rescale_factor': 'a'}, "is 'a' and has to be a number"),
    ({'image_std': [1, 1, 0]}, 'image_std is .* and has to be three'),
    ({'do_rescale': False}, 'do_rescale is False'),
    ({'image_mean': 0.5}, 'image_mean is 0.5 and has to be three'),
    ({'image_std': None}, "has no 'image_std'"),
    ({'crop_size': {'height': 12, 'width': 10}}, 'crop_size is .*of squares'),
], ids=str)
def test_pixels_that_are_not_understood_are_told(tmp_path, change, words):
  processor = TOLD['clip']['processor'] | change
  folder = write_encoder(tmp_path, 'clip', processor=processor)
  with pytest.raises(UserError, match=f'preprocessor_config.json.*{words}'):
    read_encoder(folder)


def test_pictures_of_another_size_are_told(read):
  config, params, _ = read('siglip2')
  with pytest.raises(UserError, match='16 x 16 .*image_size of 12 to 15'):
    VisionEncoder(config).apply(
        {'params': {'vision_encoder': params}}, jnp.array(pictures(16))
    )

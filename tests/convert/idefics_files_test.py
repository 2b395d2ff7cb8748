# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of IDEFICS in other forms, and what is refused."""

import json

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax import cli
from flamingo_jax.convert import conversion
from flamingo_jax.run_dir.weights import load_params
from tests.convert.idefics_folders import (  # pylint: disable=unused-import
    MODELS,
    converted,
    tensors_of,
    write_folder,
)
from tests.convert.whole_folders import refused


def test_as_the_hub_has_them(converted, tmp_path, capsys):
  """In shards, with a processor and a config.json as of 2023, buffers too."""
  folder = write_folder(tmp_path / 'hub', 'base')
  (folder / 'model.safetensors').unlink()
  tensors = tensors_of('base')
  tensors['model.layers.0.self_attn.rotary_emb.inv_freq'] = np.ones(4, np.float32)
  tensors['model.vision_model.embeddings.position_ids'] = np.zeros((1, 10), int)
  files = {name: f'model-{i % 2}.safetensors' for i, name in enumerate(tensors)}
  for file in set(files.values()):
    save_file({k: tensors[k] for k in tensors if files[k] == file}, folder / file)
  (folder / 'model.safetensors.index.json').write_text(
      json.dumps({'weight_map': files})
  )
  config = dict(MODELS['base']['config'])
  del config['rope_parameters'], config['dtype']
  config |= {
      'cross_layer_activation_function': 'swiglu', 'ffn_dim': 24,
      'max_new_tokens': 100, 'word_embed_proj_dim': 16, 'torch_dtype': 'float32',
  }
  config['vision_config'] = config['vision_config'] | {
      'model_type': 'idefics', 'vision_model_name': 'laion/CLIP-ViT-H-14',
  }
  (folder / 'config.json').write_text(json.dumps(config))
  processor = MODELS['base']['processor']
  (folder / 'preprocessor_config.json').write_text(json.dumps({
      'image_num_channels': 3, 'image_size': 12,
      'image_processor_type': 'IdeficsImageProcessor',
      'image_mean': processor['image_mean'], 'image_std': processor['image_std'],
  }))
  out = tmp_path / 'model'
  assert not cli.main(['convert', str(folder), f'--out={out}'])
  report = capsys.readouterr().out
  assert 'idefics: 26,172 parameters, blocks before every 2. layer' in report
  assert 'inv_freq (1)' in report and 'position_ids (1)' in report
  jax.tree.map(
      np.testing.assert_array_equal, load_params(out)[0],
      load_params(converted('base'))[0],
  )
  architecture = lambda folder: json.loads(
      (folder / 'model.json').read_text()
  )['architecture']
  assert architecture(out) == architecture(converted('base'))


def test_what_is_trained_is_float32(tmp_path):
  tensors = {
      k: x.astype(ml_dtypes.bfloat16) for k, x in tensors_of('plain').items()
  }
  folder = write_folder(tmp_path / 'hub', 'plain', tensors)
  conversion.convert(folder, tmp_path / 'model')
  params = load_params(tmp_path / 'model')[0]
  group = params['decoder']['groups']
  assert group['xattn']['query']['map']['kernel'].dtype == np.float32
  assert group['lm']['attn']['query']['map']['kernel'].dtype == 'bfloat16'
  np.testing.assert_array_equal(
      group['xattn']['ffw_gate'],
      tensors['model.gated_cross_attn_layers.0.alpha_dense'].astype(np.float32),
  )


BLOCK = 'model.gated_cross_attn_layers.1.'
RESAMPLER = 'model.perceiver_resampler.'


@pytest.mark.parametrize('change, words', [
    ({f'{BLOCK}cross_attn.q_proj.weight': None}, r'no tensor .*1\.cross_attn.q_'),
    ({'model.layers.3.mlp.up_proj.weight': None}, r'no tensor .*layers\.3\.mlp'),
    ({'model.vision_model.pre_layrnorm.bias': None}, 'no tensor .*pre_layrnorm'),
    ({'lm_head.additional_fc.weight': None}, 'no tensor .*additional_fc'),
    ({'model.embed_tokens.weight': None}, 'no tensor .*embed_tokens'),
    ({f'{BLOCK}extra': (2,)}, 'not known of a Flamingo, such as .*1.extra'),
    ({f'{BLOCK}cross_attn.q_layer_norm.weight': (8,)}, 'not known of a Flam'),
    ({f'{RESAMPLER}blocks.2.1.ln.bias': (12,)}, 'not known of a Flamingo'),
    ({f'{BLOCK}mlp.up_proj.weight': (23, 16)}, r'\[16, 23\], and config.json'),
    ({f'{BLOCK}alpha_dense': (1, 1, 16)}, r'alpha_dense has shape .*not fit'),
    ({f'{RESAMPLER}latents': (4, 12)}, r'\[4, 12\], and config.json says'),
    ({'model.embed_tokens.weight': (54, 16)}, 'vocab_size is 55.*has 54 rows'),
    ({'lm_head.additional_fc.weight': (3, 16)}, r'\[3, 16\], and config.json'),
], ids=str)
def test_tensors_that_do_not_fit_are_told(tmp_path, change, words):
  tensors = tensors_of('base') | {
      name: shape and np.zeros(shape, np.float32)
      for name, shape in change.items()
  }
  tensors = {name: x for name, x in tensors.items() if x is not None}
  refused(write_folder(tmp_path / 'hub', 'base', tensors), words)


@pytest.mark.parametrize('change, words', [
    ({'qk_layer_norms': True}, 'no tensor .*q_layer_norm'),
    ({'alpha_type': 'vector'}, 'alpha_cross_attn makes .*of shape'),
    ({'alpha_type': 'matrix'}, "alpha_type is 'matrix', which is not known"),
    ({'use_resampler': False}, 'not known of a Flamingo.*perceiver_resampler'),
    ({'cross_layer_interval': 3}, 'cross_layer_interval is 3, .*not divide'),
    ({'additional_vocab_size': 1}, r'ids up to 56, and the table .* 56 rows'),
    ({'sees_all': True}, 'sees_all is True, an attribute that is not known'),
    ({'vision_config': {'image_size': 12, 'tubelet': 2}}, 'tubelet is 2, an'),
    ({'perceiver_config': {'gated': 1}}, 'perceiver_config: gated is 1, an'),
    ({'architectures': ['FlamingoMini']}, 'FlamingoMini computes it'),
], ids=str)
def test_configs_that_are_not_known_are_told(tmp_path, change, words):
  folder = write_folder(
      tmp_path / 'hub', 'base', config=MODELS['base']['config'] | change
  )
  refused(folder, words)


def test_a_tokenizer_of_another_model_is_told(tmp_path):
  folder = write_folder(tmp_path / 'hub', 'plain')
  tokenizer = dict(MODELS['plain']['tokenizer'])
  tokenizer['added_tokens'] = [
      entry for entry in tokenizer['added_tokens'] if entry['id'] < 55
  ]
  (folder / 'tokenizer.json').write_text(json.dumps(tokenizer))
  refused(folder, "no entry '<image>', which its model knows pictures by")

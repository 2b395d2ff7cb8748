# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of Llama 3.2 Visions in other forms, and what is refused."""

import json

import jax
import ml_dtypes
import numpy as np
import pytest

from flamingo_jax.convert import conversion
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from tests.convert.mllama_folders import (  # pylint: disable=unused-import
    MODELS,
    TOLD,
    converted,
    tensors_of,
    write_folder,
)
from tests.convert.whole_folders import refused

CONFIG = MODELS['base']['config']
BLOCK = 'language_model.model.layers.2.'
VISION = 'vision_model.'


def test_in_other_spellings(converted, tmp_path):
  """Names as transformers 5 has them in memory, and a config as of 2024."""
  rename = lambda name: f'model.{name}' if not name.startswith(
      'language_model.'
  ) else name.replace('language_model.model.', 'model.language_model.').replace(
      'language_model.lm_head', 'lm_head'
  )
  text = dict(CONFIG['text_config'])
  rope = dict(text.pop('rope_parameters'))
  text |= {'rope_theta': rope.pop('rope_theta'), 'rope_scaling': rope,
           'top_k': 50, 'torch_dtype': 'float32'}
  folder = write_folder(
      tmp_path / 'hub', 'base',
      {rename(k): x for k, x in tensors_of('base').items()},
      CONFIG | {'text_config': text, 'transformers_version': '4.45.0.dev0'},
  )
  report = str(conversion.convert(folder, tmp_path / 'model'))
  assert 'mllama: 35,167 parameters, blocks before every 3. layer' in report
  assert 'tiled, at most 4 (bilinear)' in report
  jax.tree.map(
      np.testing.assert_array_equal, load_params(tmp_path / 'model')[0],
      load_params(converted('base'))[0],
  )
  # What its maker's code hands on: what those layers get.
  assert stored_config(tmp_path / 'model').vision.levels == (0, 2)
  assert stored_config(converted('base')).vision.levels == (1, 3)


def test_what_is_trained_is_float32(tmp_path):
  tensors = {
      k: x.astype(ml_dtypes.bfloat16) for k, x in tensors_of('chat').items()
  }
  folder = write_folder(tmp_path / 'hub', 'chat', tensors)
  conversion.convert(folder, tmp_path / 'model')
  params = load_params(tmp_path / 'model')[0]
  assert params['decoder']['new_token_embedding'].dtype == np.float32
  assert params['decoder']['token_embedder'].dtype == 'bfloat16'
  kernel = params['resampler']['features_projection']['kernel']
  assert kernel.dtype == np.float32
  assert params['vision_encoder']['position_gate'].dtype == 'bfloat16'


def test_a_template_makes_turns_and_another_is_told(converted, tmp_path):
  is_chat = lambda folder: bool(
      Vocabulary(folder / 'vocabulary.model').header_ids
  )
  assert is_chat(converted('chat')) and not is_chat(converted('base'))
  folder = write_folder(tmp_path / 'hub', 'base')
  (folder / 'chat_template.jinja').write_text(TOLD['template'])
  conversion.convert(folder, tmp_path / 'chat')
  assert is_chat(tmp_path / 'chat')
  (folder / 'chat_template.jinja').write_text('[INST]{{ messages }}[/INST]')
  refused(folder, 'its chat template is not that of Llama 3.2 Vision')


@pytest.mark.parametrize('change, words', [
    ({f'{BLOCK}cross_attn.q_proj.weight': None}, r'no tensor .*2\.cross_attn.q_'),
    ({f'{BLOCK}cross_attn_mlp_gate': None}, 'no tensor .*cross_attn_mlp_gate'),
    ({f'{VISION}class_embedding': None}, 'no tensor .*class_embedding'),
    ({'multi_modal_projector.bias': None}, 'no tensor .*projector.bias'),
    ({'language_model.lm_head.weight': None}, 'no tensor .*lm_head'),
    ({'language_model.model.embed_tokens.weight': None}, 'no tensor .*embed_t'),
    ({f'{BLOCK}self_attn.q_proj.weight': (16, 16)}, 'not known of a Flamingo'),
    ({f'{VISION}transformer.layers.3.mlp.fc1.bias': (20,)}, 'not known of a Fl'),
    ({f'{BLOCK}mlp.up_proj.weight': (23, 16)}, r'\[16, 23\], and config.json'),
    ({f'{BLOCK}cross_attn_attn_gate': (16,)}, 'has shape .*not fit'),
    ({'multi_modal_projector.weight': (16, 32)}, 'projector.weight'),
    ({f'{VISION}gated_positional_embedding.embedding': (9, 16)},
     r'\[9, 16\], and config.json says'),
    ({'language_model.model.embed_tokens.weight': (58, 16)},
     'vocab_size is 58.*has 58 rows, not 8 more'),
    ({'language_model.lm_head.weight': (66, 16)}, r'\[66, 16\], and config'),
], ids=str)
def test_tensors_that_do_not_fit_are_told(tmp_path, change, words):
  tensors = tensors_of('base') | {
      name: shape and np.zeros(shape, np.float32)
      for name, shape in change.items()
  }
  tensors = {name: x for name, x in tensors.items() if x is not None}
  refused(write_folder(tmp_path / 'hub', 'base', tensors), words)


@pytest.mark.parametrize('part, change, words', [
    *(('text_config', {'cross_attention_layers': told}, r'cross_attention_layers'
       r' is \[.*every k-th up to the end of the 8 layers')
      for told in ([2, 5, 6], [2, 3], [1, 4], [7, 9], [], [6, 2], [-1, 3])),
    ('text_config', {'sees_all': True}, 'sees_all is True, an attribute'),
    ('text_config', {'num_key_value_heads': 4}, r'k_proj.*\[16, 8\]'),
    ('text_config', {'tie_word_embeddings': True}, 'tie_word_embeddings is True'),
    ('vision_config', {'max_num_tiles': 5}, 'makes 4 tiles .* says 5 of 12'),
    ('vision_config', {'image_size': 16}, 'makes 4 tiles of 12 .* 4 of 16'),
    ('vision_config', {'supported_aspect_ratios': [[1, 1]]}, 'supported_aspect'),
    ('vision_config', {'intermediate_layers_indices': [0, 3]}, 'from 0 to 2'),
    ('vision_config', {'vision_output_dim': 64}, 'vision_output_dim is 64'),
    ('vision_config', {'tubelet': 2}, 'tubelet is 2, an attribute'),
    (None, {'sees_all': True}, 'sees_all is True, an attribute'),
    (None, {'architectures': ['FlamingoMini']}, 'FlamingoMini computes it'),
], ids=str)
def test_configs_that_are_not_known_are_told(tmp_path, part, change, words):
  change = {part: CONFIG[part] | change} if part else change
  folder = write_folder(tmp_path / 'hub', 'base', config=CONFIG | change)
  refused(folder, words)


@pytest.mark.parametrize('change, words', [
    ({'do_pad': False}, 'do_pad is False, which is not known'),
    ({'size': {'height': 12, 'width': 14}}, 'has to be .*of squares'),
    ({'max_image_tiles': 0}, 'max_image_tiles is 0'),
    ({'resample': 1}, 'resample is 1, and 2'),
], ids=str)
def test_processors_that_are_not_known_are_told(tmp_path, change, words):
  folder = write_folder(tmp_path / 'hub', 'base')
  (folder / 'preprocessor_config.json').write_text(
      json.dumps(MODELS['base']['processor'] | change)
  )
  refused(folder, words)

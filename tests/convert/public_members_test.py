# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Public members of the zoo are what `flamingo convert` makes of their towers."""

import dataclasses
import json
import math

import pytest

from flamingo_jax.convert.families import find_mapping, read_config
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.rules import abstract_tower
from flamingo_jax.models import variants
from flamingo_jax.run_dir.towers import OF_FLAMINGO

LLAMA = {
    'model_type': 'llama', 'hidden_act': 'silu', 'num_key_value_heads': 8,
    'max_position_embeddings': 131_072, 'rms_norm_eps': 1e-05,
    'rope_theta': 500_000.0, 'vocab_size': 128_256, 'attention_bias': False,
    'mlp_bias': False, 'pretraining_tp': 1, 'torch_dtype': 'bfloat16',
}
SCALING = {
    'rope_type': 'llama3', 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
    'original_max_position_embeddings': 8192,
}
# As on huggingface.co.
LANGUAGE_MODELS = {
    'flamingo_smollm2': LLAMA | {
        'hidden_size': 576, 'intermediate_size': 1536, 'num_hidden_layers': 30,
        'num_attention_heads': 9, 'num_key_value_heads': 3,
        'max_position_embeddings': 8192, 'rope_theta': 100_000,
        'rope_scaling': None, 'rope_interleaved': False, 'vocab_size': 49_152,
        'tie_word_embeddings': True,
    },
    'flamingo_llama_1b': LLAMA | {
        'hidden_size': 2048, 'intermediate_size': 8192, 'head_dim': 64,
        'num_hidden_layers': 16, 'num_attention_heads': 32,
        'rope_scaling': SCALING | {'factor': 32.0}, 'tie_word_embeddings': True,
    },
    'flamingo_qwen_8b': {
        'model_type': 'qwen3', 'hidden_act': 'silu', 'hidden_size': 4096,
        'intermediate_size': 12_288, 'num_hidden_layers': 36, 'head_dim': 128,
        'num_attention_heads': 32, 'num_key_value_heads': 8,
        'max_position_embeddings': 40_960, 'rms_norm_eps': 1e-06,
        'rope_theta': 1_000_000, 'rope_scaling': None, 'vocab_size': 151_936,
        'attention_bias': False, 'tie_word_embeddings': False,
        'sliding_window': None, 'use_sliding_window': False,
        'max_window_layers': 36, 'torch_dtype': 'bfloat16',
    },
    'flamingo_llama_70b': LLAMA | {
        'hidden_size': 8192, 'intermediate_size': 28_672,
        'num_hidden_layers': 80, 'num_attention_heads': 64,
        'rope_scaling': SCALING | {'factor': 8.0}, 'tie_word_embeddings': False,
    },
}
SIGLIP2 = {
    'image_processor_type': 'SiglipImageProcessor', 'do_resize': True,
    'resample': 2, 'image_mean': [0.5] * 3, 'image_std': [0.5] * 3,
}
# vision_config, and preprocessor_config.json.
VISION_ENCODERS = {
    'flamingo_llama_1b': ({
        'model_type': 'siglip_vision_model', 'hidden_size': 768,
        'intermediate_size': 3072, 'num_hidden_layers': 12,
        'num_attention_heads': 12, 'patch_size': 16, 'image_size': 224,
    }, SIGLIP2),
    'flamingo_qwen_8b': ({
        'model_type': 'siglip_vision_model', 'hidden_size': 1152,
        'intermediate_size': 4304, 'num_hidden_layers': 27,
        'num_attention_heads': 16, 'patch_size': 14, 'image_size': 384,
    }, SIGLIP2),
    'flamingo_llama_70b': ({
        'model_type': 'clip_vision_model', 'hidden_size': 1280,
        'intermediate_size': 5120, 'num_hidden_layers': 32,
        'num_attention_heads': 16, 'patch_size': 14, 'image_size': 224,
        'hidden_act': 'gelu', 'layer_norm_eps': 1e-05,
    }, {
        'do_resize': True, 'do_center_crop': True, 'resample': 3,
        'crop_size': 224, 'size': 224,
        'image_mean': [0.48145466, 0.4578275, 0.40821073],
        'image_std': [0.26862954, 0.26130258, 0.27577711],
    }),
}


LLAMA_VISION = {
    'llama_vision_11b': {'cross_attention_layers': [*range(3, 40, 5)]},
    'llama_vision_90b': {
        'hidden_size': 8192, 'intermediate_size': 28_672,
        'num_hidden_layers': 100, 'num_attention_heads': 64,
        'cross_attention_layers': [*range(3, 100, 5)],
    },
}


def converted(folder, config, name, shape):
  """What is made of a folder, of whose weights one is told and none is there."""
  size = 2 * math.prod(shape)
  header = json.dumps({name: {
      'dtype': 'BF16', 'shape': shape, 'data_offsets': [0, size],
  }}).encode()
  with open(folder / 'model.safetensors', 'wb') as file:
    file.write(len(header).to_bytes(8, 'little') + header)
    file.truncate(8 + len(header) + size)  # a hole, which takes no place
  (folder / 'config.json').write_text(json.dumps(config))
  return find_mapping(folder, *read_config(folder), Tensors(folder)).config


@pytest.mark.parametrize('name', LANGUAGE_MODELS)
def test_decoders_are_those_of_the_language_models(name, tmp_path):
  config = LANGUAGE_MODELS[name]
  found = converted(
      tmp_path, config, 'model.embed_tokens.weight',
      [config['vocab_size'], config['hidden_size']],
  )
  decoder = variants.get(name).decoder
  kept = {field: getattr(decoder, field) for field in OF_FLAMINGO}
  assert dataclasses.replace(found.decoder, **kept) == decoder


@pytest.mark.parametrize('name', VISION_ENCODERS)
def test_encoders_are_those_of_the_vision_encoders(name, tmp_path):
  config, pixels = VISION_ENCODERS[name]
  size = {'height': config['image_size'], 'width': config['image_size']}
  (tmp_path / 'preprocessor_config.json').write_text(
      json.dumps({'size': size} | pixels)
  )
  found = converted(
      tmp_path, config, 'vision_model.embeddings.patch_embedding.weight',
      [config['hidden_size'], 3, config['patch_size'], config['patch_size']],
  )
  member = variants.get(name)
  assert (found.vision, found.image_size) == (member.vision, member.image_size)


@pytest.mark.parametrize('name', LLAMA_VISION)
def test_whole_models_are_those_of_the_hub(name, tmp_path):
  text = {
      'model_type': 'mllama_text_model', 'hidden_act': 'silu',
      'hidden_size': 4096, 'intermediate_size': 14_336, 'num_hidden_layers': 40,
      'num_attention_heads': 32, 'num_key_value_heads': 8,
      'max_position_embeddings': 131_072, 'rms_norm_eps': 1e-05,
      'rope_theta': 500_000.0, 'rope_scaling': SCALING | {'factor': 8.0},
      'vocab_size': 128_256, 'tie_word_embeddings': False,
      'torch_dtype': 'bfloat16',
  } | LLAMA_VISION[name]
  size = {'height': 560, 'width': 560}
  (tmp_path / 'preprocessor_config.json').write_text(json.dumps({
      'image_processor_type': 'MllamaImageProcessor', 'do_resize': True,
      'do_pad': True, 'max_image_tiles': 4, 'resample': 2, 'size': size,
      'image_mean': [0.48145466, 0.4578275, 0.40821073],
      'image_std': [0.26862954, 0.26130258, 0.27577711],
  }))
  found = converted(tmp_path, {
      'model_type': 'mllama', 'image_token_index': 128_256,
      'architectures': ['MllamaForConditionalGeneration'],
      'transformers_version': '4.45.0.dev0', 'text_config': text,
      'vision_config': {
          'model_type': 'mllama_vision_model', 'image_size': 560,
          'attention_heads': 16, 'torch_dtype': 'bfloat16',
      },
  }, 'language_model.model.embed_tokens.weight', [
      128_264, text['hidden_size']
  ])
  assert found == variants.get(name)


# Counted in the published files, in 1e9.
@pytest.mark.parametrize('name, billions', [
    ('llama_vision_11b', 10.67), ('llama_vision_90b', 88.59),
])
def test_parameters_are_as_many_as_published(name, billions):
  sizes = [x.size for x in abstract_tower(variants.get(name), True).values()]
  assert sum(sizes) / 1e9 == pytest.approx(billions, abs=0.005)


@pytest.mark.parametrize('name, sizes', [
    ('idefics_9b', (32, 4096, 32, 11_008)),
    ('idefics_80b', (80, 8192, 64, 22_016)),
])
def test_idefics_are_those_of_their_files(name, sizes, tmp_path):
  layers, width, heads, mlp_width = sizes
  clip = VISION_ENCODERS['flamingo_llama_70b'][1]
  (tmp_path / 'preprocessor_config.json').write_text(json.dumps({
      'image_processor_type': 'IdeficsImageProcessor', 'image_size': 224,
      'image_num_channels': 3, 'image_mean': clip['image_mean'],
      'image_std': clip['image_std'],
  }))
  found = converted(tmp_path, {
      'model_type': 'idefics', 'additional_vocab_size': 2,
      'cross_layer_interval': 4, 'hidden_size': width,
      'intermediate_size': mlp_width, 'num_attention_heads': heads,
      'num_hidden_layers': layers, 'qk_layer_norms': True,
      'use_resampler': True,
      'perceiver_config': {'qk_layer_norms_perceiver': True},
      'vision_config': {
          'embed_dim': 1280, 'image_size': 224, 'hidden_act': 'gelu',
      },
  }, 'model.embed_tokens.weight', [32_000, width])
  assert found == variants.get(name)

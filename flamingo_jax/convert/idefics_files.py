# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The files of an IDEFICS beside its weights, as transformers reads them."""

import json
import pathlib
from typing import Any

from flamingo_jax.convert.hub_folder import ACTIVATIONS
from flamingo_jax.convert.tokenizer import entries_of
from flamingo_jax.data.tokenizers_model import TOKENIZER
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.vit import ViTConfig


def write(
    folder: pathlib.Path, config: FlamingoConfig, words: Vocabulary
) -> None:
  """config.json, preprocessor_config.json and those of the tokenizer.

  What an IDEFICS cannot be is not in them: whoever reads them again sees it.

  Args:
    folder: that they are written to.
    config: of a model with a ViT.
    words: with a tokenizer of tokenizers.
  """
  told = json.loads(pathlib.Path(words.path).read_text(encoding='utf-8'))
  tokenizer = told.get(TOKENIZER, told)
  names = {number: text for text, number in entries_of(tokenizer)}
  files = {
      'config': _config(config) | {
          f'{end}_token_id': told.get(f'{end}_id') for end in ('bos', 'eos', 'pad')
      },
      'preprocessor_config': {
          'image_processor_type': 'IdeficsImageProcessor',
          'processor_class': 'IdeficsProcessor', 'image_num_channels': 3,
          'image_size': config.image_size,
          'image_mean': config.vision.pixel_mean,
          'image_std': config.vision.pixel_std,
      },
      'tokenizer': tokenizer,
      'tokenizer_config': {
          'tokenizer_class': 'PreTrainedTokenizerFast',
          'model_max_length': config.decoder.context, 'padding_side': 'left',
          **{f'{end}_token': names[told[f'{end}_id']]
             for end in ('bos', 'eos', 'pad') if f'{end}_id' in told},
      },
  }
  for file, values in files.items():
    (folder / f'{file}.json').write_text(
        json.dumps(values, indent=2, ensure_ascii=False) + '\n',
        encoding='utf-8',
    )


def _config(config: FlamingoConfig) -> dict[str, Any]:
  decoder, resampler = config.decoder, config.resampler
  layer, block = decoder.layer, decoder.block
  return {
      'architectures': ['IdeficsForVisionText2Text'], 'model_type': 'idefics',
      'dtype': config.dtype, 'vocab_size': decoder.vocab,
      'additional_vocab_size': decoder.added, 'hidden_size': decoder.width,
      'intermediate_size': layer.mlp_width,
      'num_hidden_layers': decoder.layers, 'num_attention_heads': decoder.heads,
      'hidden_act': _name_of(layer.activation), 'rms_norm_eps': layer.norm_eps,
      'max_position_embeddings': decoder.context,
      'rope_parameters': _rope(layer), 'tie_word_embeddings': decoder.tied,
      'cross_layer_interval': decoder.xattn_every,
      'qk_layer_norms': block.qk_norm,
      'alpha_type': 'vector' if block.vector_gates else 'float',
      'use_resampler': resampler.layers > 0,
      'vision_config': _vision(config.vision, config.image_size),
      'perceiver_config': {
          'use_resampler': resampler.layers > 0,
          'resampler_n_latents': resampler.latents,
          'resampler_depth': resampler.layers or 6,
          'resampler_n_heads': resampler.heads,
          'resampler_head_dim': resampler.head_size,
          'qk_layer_norms_perceiver': resampler.qk_norm,
      },
  }


def _vision(vision: ViTConfig, image_size: int) -> dict[str, Any]:
  return {
      'embed_dim': vision.width, 'image_size': image_size,
      'intermediate_size': vision.mlp_width, 'patch_size': vision.patch,
      'num_hidden_layers': vision.layers, 'num_attention_heads': vision.heads,
      'num_channels': 3, 'hidden_act': _name_of(vision.activation),
      'layer_norm_eps': vision.norm_eps,
  }


def _rope(layer: LayerConfig) -> dict[str, Any]:
  """Of the first kind of layers, as an IDEFICS has no others."""
  rope = {'rope_type': 'default', 'rope_theta': layer.rotary_thetas[0]}
  if layer.rotary_llama3:
    factor, low, high, context = layer.rotary_llama3
    return rope | {
        'rope_type': 'llama3', 'factor': factor, 'low_freq_factor': low,
        'high_freq_factor': high,
        'original_max_position_embeddings': int(context),
    }
  if layer.rotary_factors[0] != 1:
    rope |= {'rope_type': 'linear', 'factor': layer.rotary_factors[0]}
  return rope


def _name_of(activation: str) -> str:
  """The maker's of an activation, or ours where he has none."""
  return next(
      (name for name, ours in ACTIVATIONS.items() if ours == activation),
      activation,
  )


def shapes(config: FlamingoConfig) -> dict[str, tuple[int, ...]]:
  """Of tensors whose values lie otherwise than in our parameters."""
  vision, width = config.vision, config.decoder.width
  embeddings = 'model.vision_model.embeddings.'
  gate = (1, 1, width) if config.decoder.block.vector_gates else (1,)
  return {
      f'{embeddings}patch_embedding.weight': (
          vision.width, 3, vision.patch, vision.patch
      ),
      f'{embeddings}class_embedding': (vision.width,),
      **{
          f'model.gated_cross_attn_layers.{block}.alpha_{part}': gate
          for block in range(config.decoder.groups)
          for part in ('cross_attn', 'dense')
      },
  }

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""GPT-NeoX: Pythia, RedPajama-INCITE."""

import numpy as np

from flamingo_jax.convert.hub_folder import Attributes, Tensors
from flamingo_jax.convert.llama import shape
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    layer_norm,
    linear,
    linear_from_heads,
    same,
)
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.language_model import LanguageModelConfig
from flamingo_jax.models.layer_config import LayerConfig

_PARTS = ('query', 'key', 'value')


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of a GPT-NeoX.

  Raises:
    UserError: it has what is not known here.
  """
  del kind
  layers, heads, head_size, width = shape(config)
  rope = config.part_if_any('rope_parameters')
  rope = rope or Attributes({}, config.path)
  rope.expect('rope_type', 'default', None)
  share, theta = (
      rope.number(name, config.number(old, default)) for name, old, default in (
          ('partial_rotary_factor', 'rotary_pct', 0.25),
          ('rope_theta', 'rotary_emb_base', 10_000.0),
      )
  )
  rope.finish()
  config.expect('rope_scaling', None)
  config.expect('attention_bias', True)
  config.expect('is_decoder', False, True)
  tied = config.flag('tie_word_embeddings')
  prefix = 'gpt_neox.' if 'gpt_neox.embed_in.weight' in tensors else ''
  decoder = DecoderConfig(
      vocab=config.count('vocab_size'), layers=layers,
      width=width, heads=heads, xattn_every=1, head_size=head_size,
      context=config.count('max_position_embeddings'),
      layer=LayerConfig(
          positions='rotary', rotary_thetas=(theta,),
          rotary_share=share, norm='layer',
          norm_eps=config.number('layer_norm_eps', 1e-5),
          parallel=config.flag('use_parallel_residual', True),
          activation=config.activation('hidden_act', 'gelu'),
          mlp_width=config.count('intermediate_size'),
          qkv_bias=True, out_bias=True, mlp_bias=True,
      ),
      tied=tied, scaled_embedding=False,
  )
  table = f'{prefix}embed_in.weight'
  dtype = 'bfloat16' if tensors.dtype(table) == 'bfloat16' else 'float32'
  ends = [
      same(table, 'token_embedder'),
      *layer_norm(f'{prefix}final_layer_norm', 'final_norm'),
  ]
  if not tied:
    ends.append(same('embed_out.weight', 'token_unembedder'))
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype),
      tuple(_layer_rules(f'{prefix}layers.{{}}.', heads, width)), tuple(ends),
      left_out=('rotary_emb.inv_freq', 'attention.bias',
                'attention.masked_bias', 'embed_out.weight'),
  )


def _layer_rules(at: str, heads: int, width: int) -> list[Rule]:
  attn = f'{at}attention.'

  def weights(x: np.ndarray) -> list[np.ndarray]:
    # Of each head, all three.
    x = x.reshape(heads, 3, x.shape[0] // (3 * heads), width)
    return [x[:, i].reshape(-1, width).T for i in range(3)]

  def biases(x: np.ndarray) -> list[np.ndarray]:
    x = x.reshape(heads, 3, x.shape[0] // (3 * heads))
    return [x[:, i].reshape(-1) for i in range(3)]

  rules = [
      *layer_norm(f'{at}input_layernorm', 'attn_norm'),
      *layer_norm(f'{at}post_attention_layernorm', 'ffw_norm'),
      Rule(f'{attn}query_key_value.weight',
           tuple(f'attn/{part}/map/kernel' for part in _PARTS), weights),
      Rule(f'{attn}query_key_value.bias',
           tuple(f'attn/{part}/map/bias' for part in _PARTS), biases),
      *linear_from_heads(f'{attn}dense', 'attn/out', heads),
  ]
  for source, target in (('dense_h_to_4h', 'up'), ('dense_4h_to_h', 'down')):
    rules += linear(f'{at}mlp.{source}', f'ffw/{target}')
  return rules

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""MPT: MPT-7B as transformers has it, and MPT-1B as OpenFlamingo used it."""

import numpy as np

from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes, Tensors
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    from_heads,
    same,
    transposed,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.language_model import LanguageModelConfig
from flamingo_jax.models.layer_config import LayerConfig

_PARTS = ('query', 'key', 'value')


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of an MPT ('mpt'), or of the remote code 'mosaic_gpt'.

  Raises:
    UserError: it has what is not known here.
  """
  width, heads = config.count('d_model'), config.count('n_heads')
  if width % heads:
    raise UserError(f'{config.path}: n_heads is {heads}, which does not divide '
                    f'd_model, {width}')
  attention = config  # nested in the one, in the other flat
  if kind == 'mpt':
    attention = config.part_if_any('attn_config')
    attention = attention or Attributes({}, config.path)
  clip, has_norm = _read_attention(attention, kind == 'mpt')
  config.ignore('expansion_ratio', 'mlp_ratio')  # the tensors tell
  config.expect('no_bias', True)
  config.expect('multiquery_attention', False)
  config.expect('logit_scale', None)
  config.expect('embedding_fraction', 1.0)
  config.expect('norm_type', 'low_precision_layernorm', 'layernorm')
  config.expect('tie_word_embeddings', True)
  config.ignore('learned_pos_emb', 'low_precision_layernorm', 'init_config',
                'param_init_fn', 'verbose', 'init_device', 'mlp_type',
                'tokenizer_name', 'emb_init_std', 'emb_init_uniform_lim',
                'fan_mode', 'init_div_is_residual', 'init_gain',
                'init_nonlinearity', 'init_std')
  context = config.count('max_seq_len')
  prefix = 'transformer.' if 'transformer.wte.weight' in tensors else ''
  table = f'{prefix}wte.weight'
  dtype = 'bfloat16' if tensors.dtype(table) == 'bfloat16' else 'float32'
  at = f'{prefix}blocks.{{}}.'
  names = {
      'mpt': ('norm_1', 'norm_2', 'ffn.up_proj', 'ffn.down_proj'),
      'mosaic_gpt': ('ln_1', 'ln_2', 'mlp.mlp_up', 'mlp.mlp_down'),
  }
  first, second, up, down = names[kind]
  if f'{prefix}blocks.0.norm_1.weight' in tensors:
    first, second = 'norm_1', 'norm_2'
  final = 'norm_f' if f'{prefix}norm_f.weight' in tensors else 'ln_f'
  hidden = tensors.rows(f'{at}{up}.weight'.format(0))
  decoder = DecoderConfig(
      vocab=config.count('vocab_size'), layers=config.count('n_layers'),
      width=width, heads=heads, xattn_every=1, head_size=width // heads,
      context=context,
      layer=LayerConfig(
          positions='alibi', norm='layer',
          norm_eps=config.number('layer_norm_epsilon', 1e-5),
          activation='gelu_exact', mlp_width=hidden,
          qkv_clip=clip, qk_norm='whole' if has_norm else 'none',
      ),
      scaled_embedding=False,
  )

  def norm(source: str, target: str) -> Rule:
    return Rule(
        f'{source}.weight', (f'{target}/scale', f'{target}/bias'),
        lambda x: (x, np.zeros_like(x)),  # it has no bias
    )

  layer = [
      norm(f'{at}{first}', 'attn_norm'),
      norm(f'{at}{second}', 'ffw_norm'),
      Rule(f'{at}attn.Wqkv.weight',
           tuple(f'attn/{part}/map/kernel' for part in _PARTS),
           lambda x: np.split(x.T, 3, axis=1)),
      from_heads(f'{at}attn.out_proj.weight', 'attn/out', heads),
      transposed(f'{at}{up}.weight', 'ffw/up'),
      transposed(f'{at}{down}.weight', 'ffw/down'),
  ]
  if has_norm:
    layer += [
        norm(f'{at}attn.{letter}_ln', f'attn/{name}_norm')
        for letter, name in (('q', 'query'), ('k', 'key'))
    ]
  ends = [same(table, 'token_embedder'), norm(f'{prefix}{final}', 'final_norm')]
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype), tuple(layer), tuple(ends),
      left_out=('lm_head.weight',),
  )


def _read_attention(
    attention: Attributes, is_nested: bool
) -> tuple[float, bool]:
  """At what queries, keys and values are clipped, and whether normed."""
  attention.expect('alibi', True)
  attention.expect('alibi_bias_max', 8)
  attention.expect('softmax_scale', None)
  attention.expect('prefix_lm', False)
  attention.expect('attn_uses_sequence_id', False)
  attention.expect('attn_type', 'multihead_attention')
  attention.ignore('attn_impl', 'attn_pdrop', 'qk_gn', 'fused_cross_entropy')
  clips = [
      attention.number_if_any(name) for name in ('clip_qkv', 'attn_clip_qkv')
  ]
  norms = [attention.flag(name) for name in ('qk_ln', 'attn_qk_ln')]
  if is_nested:
    attention.ignore(*IRRELEVANT)
    attention.finish()
  return next(filter(None, clips), 0.0), any(norms)

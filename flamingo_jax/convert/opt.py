# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OPT, but for OPT-350M, whose layers have another order."""

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
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.language_model import LanguageModelConfig
from flamingo_jax.models.layer_config import LayerConfig

_OFFSET = 2  # rows of the table of positions that no token has


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of an OPT.

  Raises:
    UserError: it has what is not known here.
  """
  del kind
  layers, heads, head_size, width = shape(config)
  projected = config.count_if_any('word_embed_proj_dim')
  if projected not in (None, width):
    raise UserError(
        f'{config.path}: word_embed_proj_dim is {projected}, not the width '
        f'{width}: OPT-350M is not known here; use another size of OPT'
    )
  config.expect('do_layer_norm_before', True)
  config.expect('_remove_final_layer_norm', False)
  config.expect('enable_bias', True)
  config.expect('layer_norm_elementwise_affine', True)
  config.expect('activation_function', 'relu')
  config.expect('tie_word_embeddings', True)
  config.ignore('activation_dropout')
  context = config.count('max_position_embeddings')
  prefix = next(
      (p for p in ('model.decoder.', 'decoder.', '')
       if f'{p}embed_tokens.weight' in tensors), 'model.decoder.',
  )
  table = f'{prefix}embed_tokens.weight'
  decoder = DecoderConfig(
      vocab=tensors.rows(table), layers=layers,
      width=width, heads=heads, xattn_every=1, head_size=head_size,
      context=context,
      layer=LayerConfig(
          positions='learned', norm='layer', norm_eps=1e-5, activation='relu',
          mlp_width=config.count('ffn_dim'), qkv_bias=True, out_bias=True,
          mlp_bias=True,
      ),
      scaled_embedding=False,
  )
  config.expect('vocab_size', decoder.vocab)
  dtype = 'bfloat16' if tensors.dtype(table) == 'bfloat16' else 'float32'
  at = f'{prefix}layers.{{}}.'
  layer = [
      *layer_norm(f'{at}self_attn_layer_norm', 'attn_norm'),
      *layer_norm(f'{at}final_layer_norm', 'ffw_norm'),
      *linear_from_heads(f'{at}self_attn.out_proj', 'attn/out', heads),
  ]
  for letter, name in (('q', 'query'), ('k', 'key'), ('v', 'value')):
    source = f'{at}self_attn.{letter}_proj'
    layer += linear(source, f'attn/{name}/map')
  for source, target in (('fc1', 'up'), ('fc2', 'down')):
    layer += linear(f'{at}{source}', f'ffw/{target}')
  ends = [
      same(table, 'token_embedder'),
      Rule(f'{prefix}embed_positions.weight', ('position_embedder',),
           lambda x: (x[_OFFSET:],)),
      *layer_norm(f'{prefix}final_layer_norm', 'final_norm'),
  ]
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype), tuple(layer), tuple(ends),
      left_out=('lm_head.weight',),
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OPT, but for OPT-350M, whose layers have another order."""

from flamingo_jax.convert.hub_folder import Attributes, Tensors
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

_OFFSET = 2  # rows of the table of positions that no token has


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of an OPT.

  Raises:
    UserError: it has what is not known here.
  """
  del kind
  width, heads = config.take('hidden_size'), config.take('num_attention_heads')
  projected = config.take_if_any('word_embed_proj_dim')
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
  context = config.take('max_position_embeddings')
  prefix = next(
      (p for p in ('model.decoder.', 'decoder.', '')
       if f'{p}embed_tokens.weight' in tensors), 'model.decoder.',
  )
  table = f'{prefix}embed_tokens.weight'
  decoder = DecoderConfig(
      vocab=tensors.shape(table)[0], layers=config.take('num_hidden_layers'),
      width=width, heads=heads, xattn_every=1, head_size=width // heads,
      context=context,
      layer=LayerConfig(
          positions='learned', norm='layer', norm_eps=1e-5, activation='relu',
          mlp_width=config.take('ffn_dim'), qkv_bias=True, out_bias=True,
          mlp_bias=True,
      ),
      scaled_embedding=False,
  )
  config.expect('vocab_size', decoder.vocab)
  dtype = 'bfloat16' if tensors.dtype(table) == 'bfloat16' else 'float32'
  at = f'{prefix}layers.{{}}.'
  norm = lambda source, target: [
      same(f'{source}.weight', f'{target}/scale'),
      same(f'{source}.bias', f'{target}/bias'),
  ]
  layer = [
      *norm(f'{at}self_attn_layer_norm', 'attn_norm'),
      *norm(f'{at}final_layer_norm', 'ffw_norm'),
      from_heads(f'{at}self_attn.out_proj.weight', 'attn/out', heads),
      same(f'{at}self_attn.out_proj.bias', 'attn/out/map/bias'),
  ]
  for letter, name in (('q', 'query'), ('k', 'key'), ('v', 'value')):
    source = f'{at}self_attn.{letter}_proj'
    layer += [
        transposed(f'{source}.weight', f'attn/{name}/map'),
        same(f'{source}.bias', f'attn/{name}/map/bias'),
    ]
  for source, target in (('fc1', 'up'), ('fc2', 'down')):
    layer += [
        transposed(f'{at}{source}.weight', f'ffw/{target}'),
        same(f'{at}{source}.bias', f'ffw/{target}/bias'),
    ]
  ends = [
      same(table, 'token_embedder'),
      Rule(f'{prefix}embed_positions.weight', ('position_embedder',),
           lambda x: (x[_OFFSET:],)),
      *norm(f'{prefix}final_layer_norm', 'final_norm'),
  ]
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype), tuple(layer), tuple(ends),
      left_out=('lm_head.weight',),
  )

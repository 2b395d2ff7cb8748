# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Llama and what has its tensors: Mistral, Qwen, SmolLM, OLMo, Phi-3, Gemma."""

import dataclasses

import numpy as np

from flamingo_jax.convert import layer_patterns
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


@dataclasses.dataclass(frozen=True)
class _Family:
  """What a model type has that Llama has not."""

  qkv_bias: bool = False  # always
  qk_norm: str = 'none'
  norm_place: str = 'before'
  fused: bool = False  # queries, keys and values are one tensor
  is_gemma: bool = False  # norms of 1 + w, scaled embeddings, query scale
  # Norms of a layer: their tensors, and ours.
  norms: tuple[tuple[str, str], ...] = (
      ('input_layernorm', 'attn_norm'),
      ('post_attention_layernorm', 'ffw_norm'),
  )


_AROUND = (
    ('input_layernorm', 'attn_norm'),
    ('post_attention_layernorm', 'attn_norm_after'),
    ('pre_feedforward_layernorm', 'ffw_norm'),
    ('post_feedforward_layernorm', 'ffw_norm_after'),
)
_GEMMA = _Family(
    norm_place='around', is_gemma=True, norms=_AROUND
)
_OLMO = _Family(
    qk_norm='whole', norm_place='after', norms=(
        ('post_attention_layernorm', 'attn_norm_after'),
        ('post_feedforward_layernorm', 'ffw_norm_after'),
    ),
)
FAMILIES = {
    'llama': _Family(),
    'mistral': _Family(),
    'qwen2': _Family(qkv_bias=True),
    'qwen3': _Family(qk_norm='head'),
    'smollm3': _Family(),
    'olmo2': _OLMO,
    'olmo3': _OLMO,
    'phi3': _Family(fused=True),
    'gemma2': _GEMMA,
    'gemma3_text': dataclasses.replace(_GEMMA, qk_norm='head'),
}


# Of a Gemma 3 that sees.
_BESIDE = tuple(
    f'^{prefix}{part}.' for prefix in ('', 'model.')
    for part in ('vision_tower', 'multi_modal_projector')
)


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of a model of one of the FAMILIES.

  Raises:
    UserError: it has what is not known here.
  """
  family = FAMILIES[kind]
  layers, heads, head_size, width = shape(config)
  kv_heads = config.count_if_any('num_key_value_heads') or heads
  activation = config.activation('hidden_act', 'silu')
  if family.is_gemma:  # old files have both names, and this one is meant
    activation = config.activation('hidden_activation', 'gelu_pytorch_tanh')
  config.expect('rope_interleaved', False)
  config.expect('use_mrope', False)  # of Qwen, for pictures
  if kind == 'phi3':  # said of Phi-4-mini, and read by nobody
    config.expect('full_attn_mod', 1)
    config.expect('interpolate_factor', 1)
    config.expect('lm_head_bias', False)
  config.ignore('max_sequence_length')  # of Llama 1, and read by nobody
  context = config.count('max_position_embeddings')
  bias, mlp_bias = config.flag('attention_bias'), config.flag('mlp_bias')
  query_scale, caps = 1.0, (0.0, 0.0)
  if family.is_gemma:
    query_scale = (head_size / config.number('query_pre_attn_scalar')) ** 0.5
    caps = tuple(
        config.number_if_any(f'{name}_logit_softcapping') or 0.0
        for name in ('attn', 'final')
    )
    config.expect('use_bidirectional_attention', None, False)
    config.ignore('sliding_window_size')  # a copy of sliding_window
  pattern, context = layer_patterns.read(
      kind, config, layers, context, head_size
  )
  layer = LayerConfig(
      positions='rotary', **pattern,
      norm_eps=config.number('rms_norm_eps'),
      norm_place=family.norm_place, activation=activation,
      gated=True, mlp_width=config.count('intermediate_size'),
      kv_heads=kv_heads, qkv_bias=bias or family.qkv_bias, out_bias=bias,
      mlp_bias=mlp_bias, qk_norm=family.qk_norm, attention_cap=caps[0],
  )
  tied = config.flag('tie_word_embeddings')
  prefix = _prefix(tensors)
  vocab = tensors.rows(f'{prefix}embed_tokens.weight')
  said = config.count('vocab_size')
  if said != vocab:
    raise UserError(
        f'{config.path}: vocab_size is {said}, and the table of the tensors '
        f'has {vocab} rows; the files do not belong together'
    )
  decoder = DecoderConfig(
      vocab=vocab, layers=layers, width=width, heads=heads, xattn_every=1,
      head_size=head_size, context=context, layer=layer, tied=tied,
      scaled_embedding=family.is_gemma, logit_cap=caps[1],
  )
  dtype = str(tensors.dtype(f'{prefix}embed_tokens.weight'))
  dtype = 'bfloat16' if dtype == 'bfloat16' else 'float32'
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype),
      tuple(_layer_rules(f'{prefix}layers.{{}}.', family, decoder, query_scale)),
      tuple(_end_rules(prefix, family, tied)),
      left_out=('rotary_emb.inv_freq', *(('lm_head.weight',) if tied else ()),
                *(_BESIDE if kind == 'gemma3_text' else ())),
  )


def shape(config: Attributes) -> tuple[int, int, int, int]:
  """Layers, heads, size of a head and width; else UserError."""
  layers, heads, width = (config.count(name) for name in (
      'num_hidden_layers', 'num_attention_heads', 'hidden_size'
  ))
  size = config.count_if_any('head_dim')
  if size is None and width % heads:
    raise UserError(
        f'{config.path}: num_attention_heads is {heads}, which does not divide '
        f'hidden_size, {width}'
    )
  return layers, heads, size or width // heads, width


def _prefix(tensors: Tensors) -> str:
  """In front of the names; saved without a head they have none."""
  for prefix in ('model.', '', 'language_model.model.', 'model.language_model.'):
    if f'{prefix}embed_tokens.weight' in tensors:
      return prefix
  raise UserError(
      "there is no tensor 'model.embed_tokens.weight' in the folder; is a shard "
      'missing, or is it another model than its config.json says?'
  )


def _layer_rules(
    at: str, family: _Family, decoder: DecoderConfig, query_scale: float
) -> list[Rule]:
  layer, size = decoder.layer, decoder.head_size
  rules = [
      _scale(f'{at}{source}.weight', target, family)
      for source, target in family.norms
  ]
  attn, mlp = f'{at}self_attn.', f'{at}mlp.'
  sizes = decoder.heads * size, *(decoder.kv_heads * size,) * 2
  # The scale goes into what queries are compared by.
  scales_norm = layer.qk_norm == 'head'
  if family.fused:
    cuts = np.cumsum(sizes)[:2]
    rules.append(Rule(
        f'{attn}qkv_proj.weight',
        tuple(f'attn/{n}/map/kernel' for n in ('query', 'key', 'value')),
        lambda x: np.split(x.T, cuts, axis=1),
    ))
    rules.append(Rule(
        f'{mlp}gate_up_proj.weight', ('ffw/gate/kernel', 'ffw/up/kernel'),
        lambda x: np.split(x.T, 2, axis=1),
    ))
  else:
    for letter, name in (('q', 'query'), ('k', 'key'), ('v', 'value')):
      rule = transposed(f'{attn}{letter}_proj.weight', f'attn/{name}/map')
      if letter == 'q' and not scales_norm and query_scale != 1:
        rule = dataclasses.replace(
            rule, make=lambda x: (x.T.astype(np.float32) * query_scale,),
            back=lambda x: (x.T / np.float32(query_scale),), layout=None,
        )
      rules.append(rule)
      if layer.qkv_bias:
        rules.append(
            same(f'{attn}{letter}_proj.bias', f'attn/{name}/map/bias')
        )
    rules += [
        transposed(f'{mlp}{name}_proj.weight', f'ffw/{name}')
        for name in ('gate', 'up')
    ]
  rules.append(from_heads(f'{attn}o_proj.weight', 'attn/out', decoder.heads))
  rules.append(transposed(f'{mlp}down_proj.weight', 'ffw/down'))
  if layer.out_bias:
    rules.append(same(f'{attn}o_proj.bias', 'attn/out/map/bias'))
  if layer.mlp_bias:
    rules += [
        same(f'{mlp}{name}_proj.bias', f'ffw/{name}/bias')
        for name in ('gate', 'up', 'down')
    ]
  if layer.qk_norm != 'none':
    by = query_scale if scales_norm else 1.0
    rules += [
        _scale(f'{attn}q_norm.weight', 'attn/query_norm', family, by),
        _scale(f'{attn}k_norm.weight', 'attn/key_norm', family),
    ]
  return rules


def _end_rules(prefix: str, family: _Family, tied: bool) -> list[Rule]:
  rules = [
      same(f'{prefix}embed_tokens.weight', 'token_embedder'),
      _scale(f'{prefix}norm.weight', 'final_norm', family),
  ]
  if not tied:
    rules.append(same('lm_head.weight', 'token_unembedder'))
  return rules


def _scale(
    source: str, target: str, family: _Family, by: float = 1.0
) -> Rule:
  """The scale of a norm, times something; Gemma's is 1 + w."""
  rule = same(source, f'{target}/scale')
  plus, by = np.float32(family.is_gemma), np.float32(by)
  if not plus and by == 1:
    return rule
  return dataclasses.replace(
      rule, make=lambda x: ((plus + x.astype(np.float32)) * by,),
      back=lambda x: (x / by - plus,), layout=None,
  )

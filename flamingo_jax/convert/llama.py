# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Llama and what has its tensors: Mistral, Qwen, SmolLM, OLMo, Phi-3, Gemma."""

from collections.abc import Callable
import dataclasses
from typing import Any

import numpy as np

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
  tied: bool = False  # unless it says otherwise
  head_size: int = 0  # likewise; 0: the width's share
  eps: float = 1e-6  # likewise
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
    norm_place='around', is_gemma=True, tied=True, head_size=256, norms=_AROUND
)
FAMILIES = {
    'llama': _Family(),
    'mistral': _Family(),
    'qwen2': _Family(qkv_bias=True),
    'qwen3': _Family(qk_norm='head', head_size=128),
    'smollm3': _Family(tied=True),
    'olmo2': _Family(
        qk_norm='whole', norm_place='after', eps=1e-5, norms=(
            ('post_attention_layernorm', 'attn_norm_after'),
            ('post_feedforward_layernorm', 'ffw_norm_after'),
        ),
    ),
    'phi3': _Family(fused=True, eps=1e-5),
    'gemma2': _GEMMA,
    'gemma3_text': dataclasses.replace(_GEMMA, qk_norm='head'),
}


def mapping(kind: str, config: Attributes, tensors: Tensors) -> Mapping:
  """Of a model of one of the FAMILIES.

  Raises:
    UserError: it has what is not known here.
  """
  family = FAMILIES[kind]
  width, heads, layers = (
      config.take(name) for name in
      ('hidden_size', 'num_attention_heads', 'num_hidden_layers')
  )
  head_size = config.take_if_any('head_dim') or (
      family.head_size or width // heads
  )
  kv_heads = config.take_if_any('num_key_value_heads') or heads
  activation = config.activation('hidden_act', 'silu')
  if family.is_gemma:  # old files have both names, and this one is meant
    activation = config.activation('hidden_activation', 'gelu_pytorch_tanh')
  config.expect('rope_interleaved', False)
  context = config.take('max_position_embeddings')
  kinds = config.take_if_any('layer_types')
  bias = bool(config.take_if_any('attention_bias'))
  mlp_bias = bool(config.take_if_any('mlp_bias'))
  query_scale = 1.0
  caps = {'attention': 0.0, 'logits': 0.0}
  if family.is_gemma:
    scalar = config.take('query_pre_attn_scalar')
    query_scale = (head_size / scalar) ** 0.5
    caps = {
        'attention': config.take_if_any('attn_logit_softcapping') or 0.0,
        'logits': config.take_if_any('final_logit_softcapping') or 0.0,
    }
    config.expect('use_bidirectional_attention', None, False)
  rotary = _rotary(kind, config, kinds, layers, context)
  layer = LayerConfig(
      positions='rotary', **rotary,
      windows=_windows(kind, config, kinds, layers, context),
      norm_eps=config.take('rms_norm_eps', family.eps),
      norm_place=family.norm_place, activation=activation,
      gated=True, mlp_width=config.take('intermediate_size'),
      kv_heads=kv_heads, qkv_bias=bias or family.qkv_bias, out_bias=bias,
      mlp_bias=mlp_bias, qk_norm=family.qk_norm,
      attention_cap=float(caps['attention']),
  )
  tied = bool(config.take('tie_word_embeddings', family.tied))
  prefix = _prefix(tensors)
  vocab = tensors.shape(f'{prefix}embed_tokens.weight')[0]
  said = config.take('vocab_size')
  if said != vocab:
    raise UserError(
        f'{config.path}: vocab_size is {said}, and the table of the tensors '
        f'has {vocab} rows; the files do not belong together'
    )
  decoder = DecoderConfig(
      vocab=vocab, layers=layers, width=width, heads=heads, xattn_every=1,
      head_size=head_size, context=context, layer=layer, tied=tied,
      scaled_embedding=family.is_gemma, logit_cap=float(caps['logits']),
  )
  dtype = str(tensors.dtype(f'{prefix}embed_tokens.weight'))
  dtype = 'bfloat16' if dtype == 'bfloat16' else 'float32'
  return Mapping(
      LanguageModelConfig(decoder, dtype=dtype),
      tuple(_layer_rules(f'{prefix}layers.{{}}.', family, decoder, query_scale)),
      tuple(_end_rules(prefix, family, tied)),
      left_out=('rotary_emb.inv_freq', *(('lm_head.weight',) if tied else ())),
  )


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
  scale = _scale_of_norms(family)
  rules = [
      Rule(f'{at}{source}.weight', (f'{target}/scale',), scale)
      for source, target in family.norms
  ]
  attn, mlp = f'{at}self_attn.', f'{at}mlp.'
  sizes = decoder.heads * size, *(decoder.kv_heads * size,) * 2
  # The scale goes into what queries are compared by.
  turned = lambda x: x.T if query_scale == 1 else (
      x.T.astype(np.float32) * query_scale
  )
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
      make = lambda x: (x.T,)
      if letter == 'q' and not scales_norm:
        make = lambda x: (turned(x),)
      rules.append(Rule(
          f'{attn}{letter}_proj.weight', (f'attn/{name}/map/kernel',), make
      ))
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
    rules.append(Rule(
        f'{attn}q_norm.weight', ('attn/query_norm/scale',),
        lambda x: (scale(x)[0] if by == 1 else scale(x)[0] * np.float32(by),),
    ))
    rules.append(
        Rule(f'{attn}k_norm.weight', ('attn/key_norm/scale',), scale)
    )
  return rules


def _end_rules(prefix: str, family: _Family, tied: bool) -> list[Rule]:
  rules = [
      same(f'{prefix}embed_tokens.weight', 'token_embedder'),
      Rule(f'{prefix}norm.weight', ('final_norm/scale',),
           _scale_of_norms(family)),
  ]
  if not tied:
    rules.append(same('lm_head.weight', 'token_unembedder'))
  return rules


def _scale_of_norms(family: _Family) -> Callable[[np.ndarray], tuple[Any]]:
  if family.is_gemma:
    return lambda x: (1 + x.astype(np.float32),)
  return lambda x: (x.astype(np.float32),)


def _windows(
    kind: str, config: Attributes, kinds: list[str] | None, layers: int,
    context: int,
) -> tuple[int, ...]:
  """How many keys each layer sees, 0 for all."""
  window = config.take_if_any('sliding_window') or 0
  uses = config.take_if_any('use_sliding_window')
  most = config.take_if_any('max_window_layers')
  pattern = config.take_if_any('sliding_window_pattern')
  if kind in ('qwen2', 'qwen3', 'smollm3') and not uses:
    window = 0
  if kinds is None and kind in ('gemma2', 'gemma3_text'):
    every = pattern or (2 if kind == 'gemma2' else 6)
    kinds = _every(layers, every)
  if kinds is None and kind in ('qwen2', 'qwen3') and window:
    kinds = [
        'sliding_attention' if i >= (most or 0) else 'full_attention'
        for i in range(layers)
    ]
  if kinds is not None and not set(kinds) <= {
      'sliding_attention', 'full_attention'
  }:
    raise UserError(
        f'{config.path}: layer_types are {sorted(set(kinds))}, and known are '
        'full_attention and sliding_attention'
    )
  if not window or window >= context:
    return (0,)
  if kinds is None:
    return (window,)
  return _shortest(
      [window if kind == 'sliding_attention' else 0 for kind in kinds]
  )


def _every(layers: int, every: int) -> list[str]:
  return [
      'sliding_attention' if (i + 1) % every else 'full_attention'
      for i in range(layers)
  ]


def _rotary(
    kind: str, config: Attributes, kinds: list[str] | None, layers: int,
    context: int,
) -> dict[str, Any]:
  """Fields of LayerConfig, of files of either name."""
  told = config.take_if_any('rope_parameters')
  theta = config.take_if_any('rope_theta')
  local = config.take_if_any('rope_local_base_freq')
  scaling = config.take_if_any('rope_scaling')
  share = config.take_if_any('partial_rotary_factor') or 1.0
  original = config.take_if_any('original_max_position_embeddings')
  if told is None:
    told = {'rope_theta': theta or 10_000.0, **(scaling or {})}
    if kind == 'gemma3_text':
      told = {
          'full_attention': told | {'rope_theta': theta or 1_000_000.0},
          'sliding_attention': {'rope_theta': local or 10_000.0},
      }
  if 'full_attention' in told:
    parts = [told['full_attention'], told['sliding_attention']]
    kinds = kinds or _every(layers, 6)
    of_layers = _shortest(
        [int(kind == 'sliding_attention') for kind in kinds]
    )
  else:
    parts, of_layers = [told], (0,)
  thetas, factors, llama3 = [], [], ()
  for part in parts:
    of = Attributes(part, f'{config.path}, its rotary positions')
    rope = of.take_if_any('rope_type') or of.take_if_any('type') or 'default'
    of.ignore('type')
    thetas.append(float(of.take('rope_theta', theta or 10_000.0)))
    share = of.take('partial_rotary_factor', share)
    factor = of.take_if_any('factor') or 1.0
    if rope == 'llama3':
      llama3 = tuple(map(float, (
          factor, of.take('low_freq_factor'), of.take('high_freq_factor'),
          of.take('original_max_position_embeddings', original or context),
      )))
      factor = 1.0
    elif rope not in ('default', 'linear'):
      raise UserError(
          f'{of.path}: rope_type is {rope!r}, and known are default, linear and '
          'llama3; the model would compute something else'
      )
    of.finish()
    factors.append(float(factor))
  fields = {
      'rotary_thetas': tuple(thetas), 'rotary_factors': tuple(factors),
      'rotary_share': float(share), 'rotary_llama3': llama3,
      'rotary_kinds': of_layers,
  }
  if kind == 'smollm3':
    fields |= _layers_without(config, layers, fields)
  return fields


def _layers_without(
    config: Attributes, layers: int, fields: dict[str, Any]
) -> dict[str, Any]:
  """SmolLM3: some layers have no positions; its list has 0 for these."""
  has = config.take_if_any('no_rope_layers')
  every = config.take('no_rope_layer_interval', 4)
  if has is None:
    has = [int((i + 1) % every != 0) for i in range(layers)]
  return {
      'rotary_thetas': (*fields['rotary_thetas'], 0.0),
      'rotary_factors': (*fields['rotary_factors'], 1.0),
      'rotary_kinds': _shortest([0 if x else 1 for x in has]),
  }


def _shortest(values: list[int]) -> tuple[int, ...]:
  """The shortest beginning that gives the list when it is repeated."""
  for size in range(1, len(values) + 1):
    if all(values[i] == values[i % size] for i in range(len(values))):
      return tuple(values[:size])
  return tuple(values)

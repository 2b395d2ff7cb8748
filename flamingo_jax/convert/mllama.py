# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Llama 3.2 Vision: a Llama with gated blocks, an encoder of tiles, a projection."""

from collections.abc import Iterator
import dataclasses

import numpy as np

from flamingo_jax.convert import layer_patterns
from flamingo_jax.convert import llama
from flamingo_jax.convert import mllama_vision
from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    from_heads,
    same,
    transposed,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import BlockConfig, DecoderConfig
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.models.resampler import ResamplerConfig
from flamingo_jax.models.tiled_vit import TiledViTConfig

_ADDED = 8  # rows of the table of words, which the head has not
_TEXT = {  # what its config need not say (transformers)
    'vocab_size': 128_256, 'hidden_size': 4096, 'num_hidden_layers': 40,
    'num_attention_heads': 32, 'num_key_value_heads': 8,
    'intermediate_size': 14_336, 'rms_norm_eps': 1e-5,
    'max_position_embeddings': 131_072, 'rope_theta': 500_000.0,
}
_CROSS = [*range(3, 40, 5)]


@dataclasses.dataclass(frozen=True)
class _Names:
  """Of tensors, as the hub has them and as transformers 5 calls its modules."""

  text: str
  head: str
  vision: str
  projector: str


_SPELLINGS = (
    _Names('language_model.model.', 'language_model.lm_head.weight',
           'vision_model.', 'multi_modal_projector'),
    _Names('model.language_model.', 'lm_head.weight', 'model.vision_model.',
           'model.multi_modal_projector'),
)


def mapping(config: Attributes, tensors: Tensors, pixels: Pixels) -> Mapping:
  """How a Llama 3.2 Vision becomes one of our Flamingos.

  Raises:
    UserError: it has what is not known here.
  """
  names = next(
      (x for x in _SPELLINGS if f'{x.text}embed_tokens.weight' in tensors),
      _SPELLINGS[0],
  )
  version = str(config.take_if_any('transformers_version') or '')
  vision, size = mllama_vision.vision_config(
      config.part('vision_config', {}), pixels, version
  )
  text = config.part('text_config', {}).with_defaults(_TEXT)
  layers = text.count('num_hidden_layers')
  cross = _cross_layers(text, layers)
  decoder = _decoder(text, tensors, names, cross)
  # Which tag stands for pictures, which the tokenizer knows by its name.
  config.ignore('image_token_index', 'image_token_id')
  config.expect('tie_word_embeddings', False)
  resampler = ResamplerConfig(
      layers=0, width=decoder.width, latents=vision.tiles * vision.tokens,
      frames=0, bias=True,
  )
  dtype = str(tensors.dtype(f'{names.text}embed_tokens.weight'))
  dtype = 'bfloat16' if dtype == 'bfloat16' else 'float32'
  return Mapping(
      FlamingoConfig(
          vision=vision, resampler=resampler, decoder=decoder, image_size=size,
          dtype=dtype, frozen_dtype=dtype,
      ),
      (),
      (*mllama_vision.rules(names.vision, vision),
       *_projection(names.projector, vision),
       *_text(names, decoder, cross, layers)),
      conventions='llama_vision',
  )


def _decoder(
    text: Attributes, tensors: Tensors, names: _Names, cross: range
) -> DecoderConfig:
  """The decoder, of whose blocks the maker's layers are `cross`."""
  layers = cross.stop - len(cross)
  text = text.with_defaults({'num_hidden_layers': layers})
  _, heads, head_size, width = llama.shape(text)
  kv_heads = text.count('num_key_value_heads')
  vocab, context = text.count('vocab_size'), text.count('max_position_embeddings')
  rows = tensors.rows(f'{names.text}embed_tokens.weight')
  if rows != vocab + _ADDED:
    raise UserError(
        f'{text.path}: vocab_size is {vocab}, and the table of the tensors has '
        f'{rows} rows, not {_ADDED} more; the files do not belong together'
    )
  pattern, context = layer_patterns.read(
      'llama', text, layers, context, head_size
  )
  layer = LayerConfig(
      positions='rotary', **pattern,
      norm_eps=text.number('rms_norm_eps'),
      activation=text.activation('hidden_act', 'silu'), gated=True,
      mlp_width=text.count('intermediate_size'), kv_heads=kv_heads,
  )
  text.expect('tie_word_embeddings', False)
  text.ignore(*IRRELEVANT)
  text.finish()
  block = BlockConfig(
      heads=heads, head_size=head_size, kv_heads=kv_heads,
      activation=layer.activation, maps_media=False, norm='rms',
      norm_eps=layer.norm_eps, gated=True, mlp_width=layer.mlp_width,
      qk_norm=True, groups_media=True, masked_ffw=True,
  )
  return DecoderConfig(
      vocab=vocab, layers=layers, width=width, heads=heads,
      xattn_every=cross.step - 1, head_size=head_size, context=context,
      first=cross.start, layer=layer, tied=False, scaled_embedding=False,
      block=block, added=_ADDED, added_tied=False, added_scored=False,
  )


def _cross_layers(text: Attributes, layers: int) -> range:
  """Which layers see pictures: every k-th, up to where the range ends.

  It ends behind the last layer, or one further where that sees pictures too: ours
  have a layer behind each block, and the one that is added does nothing.

  Raises:
    UserError: they stand otherwise.
  """
  told = text.take('cross_attention_layers', _CROSS)
  if isinstance(told, list) and told and all(type(x) is int for x in told):
    end = layers + (told[-1] == layers - 1)
    step = told[1] - told[0] if len(told) > 1 else end - told[0]
    found = range(told[0], end, max(step, 1))
    if told == [*found] and step > 1 and told[0] >= 0:
      return found
  raise UserError(
      f'{text.path}: cross_attention_layers is {told!r}, and known is every k-th '
      f'up to the end of the {layers} layers, k at least 2, as 3, 8, .., 38 of '
      '40; others cannot be computed here'
  )


def _projection(source: str, vision: TiledViTConfig) -> list[Rule]:
  """The maker's features are those behind the last layer, then, of each channel,
  those of all levels.
  """
  target, width = 'resampler/features_projection', vision.width

  def by_level(x):
    last, levels = np.split(x.T, [width])
    levels = levels.reshape(width, len(vision.levels), -1).swapaxes(0, 1)
    return np.concatenate([last, levels.reshape(-1, x.shape[0])]),

  return [Rule(f'{source}.weight', (f'{target}/kernel',), by_level),
          same(f'{source}.bias', f'{target}/bias')]


def _text(
    names: _Names, decoder: DecoderConfig, cross: range, layers: int
) -> Iterator[Rule]:
  """Of what the maker calls the language model, of so many layers in all."""
  yield Rule(
      f'{names.text}embed_tokens.weight',
      ('decoder/token_embedder', 'decoder/new_token_embedding'),
      lambda x: (x[: decoder.vocab], x[decoder.vocab :]),
  )
  yield same(names.head, 'decoder/token_unembedder')
  yield _scale(f'{names.text}norm', 'decoder/final_norm')
  plain = [x for x in range(cross.stop) if x not in cross]
  places = _places(decoder)
  for number, (stack, place) in zip(plain, places, strict=True):
    at, target = f'{names.text}layers.{number}.', f'decoder/{stack}/lm'
    of_layer = _layer(at, target, decoder)
    if number == layers:
      of_layer = [_idle_layer(f'{names.text}norm.weight', of_layer, decoder)]
    yield from _placed(of_layer, place)
  for block, number in enumerate(cross):
    # Of the tail there is one, which is not stacked.
    is_tail = block == decoder.groups
    stack, place = ('tail', ()) if is_tail else ('groups', (block,))
    yield from _placed(
        _block(f'{names.text}layers.{number}.', f'decoder/{stack}/xattn', decoder),
        place,
    )


def _places(decoder: DecoderConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
  """The stack of each layer, and its place there."""
  for stack, shape in decoder.stacks.items():
    for place in np.ndindex(*shape):
      yield stack, place


def _placed(rules: list[Rule], place: tuple[int, ...]) -> Iterator[Rule]:
  for rule in rules:
    yield dataclasses.replace(rule, place=place)


def _scale(source: str, target: str) -> Rule:
  return Rule(f'{source}.weight', (f'{target}/scale',),
              lambda x: (x.astype(np.float32),))


def _layer(at: str, target: str, decoder: DecoderConfig) -> list[Rule]:
  return [
      *_halves(at, target, 'attn_norm'),
      *_attention(f'{at}self_attn', f'{target}/attn', decoder.heads),
  ]


def _idle_layer(
    source: str, rules: list[Rule], decoder: DecoderConfig
) -> Rule:
  """A layer that adds nothing, with the targets of another's rules.

  A norm of it is the source, so that it can be read backwards.
  """
  targets = [target for rule in rules for target in rule.targets]
  width, size = decoder.width, decoder.head_size
  shapes = {
      'scale': (width,), 'query': (width, decoder.heads * size),
      'key': (width, decoder.kv_heads * size),
      'value': (width, decoder.kv_heads * size),
      'out': (decoder.heads, size, width),
      'gate': (width, decoder.layer.mlp_width),
      'up': (width, decoder.layer.mlp_width),
      'down': (decoder.layer.mlp_width, width),
  }
  made = [
      next(np.zeros(shape, np.float32) for part, shape in shapes.items()
           if part in target.split('/'))
      for target in targets
  ]

  def make(x):
    norm = x.astype(np.float32)
    return [norm if 'attn_norm' in target else zeros
            for target, zeros in zip(targets, made)]

  return Rule(source, tuple(targets), make)


def _block(at: str, target: str, decoder: DecoderConfig) -> list[Rule]:
  gate = lambda x: (x.reshape(()),)
  return [
      *_halves(at, target, 'attn_norm'),
      *_attention(f'{at}cross_attn', target, decoder.block.heads),
      *(_scale(f'{at}cross_attn.{name[0]}_norm', f'{target}/{name}_norm')
        for name in ('query', 'key')),
      Rule(f'{at}cross_attn_attn_gate', (f'{target}/attn_gate',), gate),
      Rule(f'{at}cross_attn_mlp_gate', (f'{target}/ffw_gate',), gate),
  ]


def _halves(at: str, target: str, norm: str) -> list[Rule]:
  """Norms and feed-forward, which layers and blocks have alike."""
  return [
      _scale(f'{at}input_layernorm', f'{target}/{norm}'),
      _scale(f'{at}post_attention_layernorm', f'{target}/ffw_norm'),
      *(transposed(f'{at}mlp.{name}_proj.weight', f'{target}/ffw/{name}')
        for name in ('gate', 'up', 'down')),
  ]


def _attention(source: str, target: str, heads: int) -> list[Rule]:
  return [
      *(transposed(f'{source}.{name[0]}_proj.weight', f'{target}/{name}/map')
        for name in ('query', 'key', 'value')),
      from_heads(f'{source}.o_proj.weight', f'{target}/out', heads),
  ]

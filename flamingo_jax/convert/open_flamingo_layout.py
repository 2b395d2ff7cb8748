# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The checkpoint of OpenFlamingo that a model of ours is."""

import dataclasses

import numpy as np

from flamingo_jax.convert import open_flamingo
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.rules import Mapping, Rule
from flamingo_jax.errors import UserError
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.language_model import LanguageModelConfig
from flamingo_jax.models.vision import VisionEncoderConfig

_HEADS = 8  # of blocks and resampler, in the maker's code
# How transformers 4, which the maker's code is for, names what surrounds layers:
# the table, what numbers of layers stand behind, and an untied map out.
_NAMES = {
    'mpt': ('transformer.wte', 'transformer.blocks', 'lm_head'),
    'opt': ('model.decoder.embed_tokens', 'model.decoder.layers', 'lm_head'),
    'neox': ('gpt_neox.embed_in', 'gpt_neox.layers', 'embed_out'),
    'llama': ('model.embed_tokens', 'model.layers', 'lm_head'),
}


@dataclasses.dataclass(frozen=True)
class Layout:
  """How a checkpoint is laid out."""

  config: FlamingoConfig  # of what the maker's code can build that is most alike
  mapping: Mapping
  shapes: dict[str, tuple[int, ...]]  # of tensors that are no one parameter's
  arguments: str  # of the maker's function that makes the model, in words

  @classmethod
  def of(cls, config: FlamingoConfig, source: Tensors | None) -> 'Layout':
    """That of a model.

    Args:
      config: the model's.
      source: the tensors of the checkpoint that it was converted from, if any.

    Raises:
      UserError: no checkpoint of the maker's can be of it.
    """
    decoder, resampler = config.decoder, config.resampler
    _check_places(config)
    if source is None:
      table, layers, head = (
          f'lang_encoder.{name}' for name in _NAMES[_family(config)]
      )
      table, prefix = f'{table}.weight', f'{layers}.'
      head = None if decoder.tied else f'{head}.weight'
    else:
      table = open_flamingo.find_table(source)
      prefix = open_flamingo.layer_prefix(source)
      head = None if decoder.tied else open_flamingo.find_head(source)
    block = decoder.sized_block
    built = open_flamingo.flamingo_config(
        LanguageModelConfig(decoder, config.dtype),
        VisionEncoderConfig(config.vision, config.image_size),
        vocab=decoder.vocab, xattn_every=decoder.xattn_every,
        first=decoder.first, added=decoder.added, heads=block.heads,
        head_size=block.head_size, resampler=resampler,
    )
    rows = [(table, 'embedder', 'embedding')]
    if head:
      rows.append((head, 'unembedder', 'unembedding'))
    cut = lambda x: np.split(x, [decoder.vocab])
    rules = (
        *open_flamingo.added_rules(built, prefix),
        *(Rule(name, (f'decoder/token_{frozen}', f'decoder/new_token_{trained}'),
               cut) for name, frozen, trained in rows),
    )
    every = decoder.first + 1
    arguments = f'cross_attn_every_n_layers={every}'
    heads = block.heads, resampler.heads, block.head_size
    if heads != (_HEADS, _HEADS, open_flamingo.HEAD_SIZE):
      arguments += (
          f', and blocks of {heads[0]} and a resampler of {heads[1]} heads of '
          f'{heads[2]}, where its code has {_HEADS} of {open_flamingo.HEAD_SIZE}'
      )
    return cls(built, Mapping(built, (), rules), _shapes(built, rules), arguments)


def _check_places(config: FlamingoConfig) -> None:
  """That the maker's code puts blocks there: before each k-th layer."""
  decoder = config.decoder
  places = range(decoder.first, decoder.layers, decoder.xattn_every)
  if places != range(decoder.first, decoder.layers, decoder.first + 1):
    raise UserError(
        f'its blocks stand before the layers {list(places)}, counted from 0, and '
        "the maker's before every k-th, the first of them the k-th"
    )


def _family(config: FlamingoConfig) -> str:
  """Whose names the language model's tensors have."""
  layer = config.decoder.layer
  family = {'alibi': 'mpt', 'learned': 'opt', 'rotary': 'llama'}.get(
      layer.positions
  )
  if family is None:
    raise UserError(
        f'decoder.layer.positions is {layer.positions!r}, and no language model '
        'that the maker builds on has these'
    )
  return 'neox' if family == 'llama' and layer.norm == 'layer' else family


def _shapes(
    config: FlamingoConfig, rules: tuple[Rule, ...]
) -> dict[str, tuple[int, ...]]:
  """Of what is cut, fused or a number in our parameters."""
  decoder, resampler = config.decoder, config.resampler
  block, found = decoder.block, {}
  for rule in rules:
    name = rule.source
    if name.endswith('_gate'):
      found[name] = (1,)
    elif name.endswith('to_kv.weight'):
      part = resampler if name.startswith('perceiver') else block
      found[name] = 2 * part.heads * part.head_size, resampler.width
    elif name in (*open_flamingo.TABLES, *open_flamingo.HEADS):
      found[name] = decoder.vocab + decoder.added, decoder.width
  return found

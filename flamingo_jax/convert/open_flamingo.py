# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenFlamingo and its descendants: what their checkpoints add to two towers."""

import dataclasses
import os
import pathlib
import re

import numpy as np

from flamingo_jax.convert.hub_folder import Tensors, indexed_files
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    from_heads,
    layer_norm,
    same,
    transposed,
)
from flamingo_jax.convert.torch_file import TorchTensors
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import BlockConfig, DecoderConfig
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.language_model import LanguageModelConfig
from flamingo_jax.models.resampler import ResamplerConfig
from flamingo_jax.models.vision import VisionEncoderConfig

KIND = 'open_flamingo'  # in records of sources
HEAD_SIZE = 64  # in the maker's code, of blocks and resampler
# Entries that are added, in order, by how many: the maker's, with one for padding
# where the tokenizer has none, and Otter's.
ADDED = {
    2: ('<|endofchunk|>', '<image>'),
    3: ('<|endofchunk|>', '<image>', '<PAD>'),
    4: ('<|endofchunk|>', '<image>', '<answer>', '<PAD>'),
}
_INDEX = 'pytorch_model.bin.index.json'
_BLOCK = re.compile(r'(lang_encoder\..+?\.)(\d+)\.gated_cross_attn_layer\.')
TABLES = tuple(f'lang_encoder.{name}.weight' for name in (
    'transformer.wte', 'gpt_neox.embed_in', 'model.embed_tokens',
    'model.decoder.embed_tokens',
))
HEADS = 'lang_encoder.lm_head.weight', 'lang_encoder.embed_out.weight'
# Blocks once more under other names, and what is the towers'.
_LEFT_OUT = (
    '^lang_encoder.old_decoder_blocks.', '^lang_encoder.gated_cross_attn_layers.',
    '.decoder_layer.', '^vision_encoder.', '.embed_positions.', '.inv_freq',
    '.norm_f.', '.ln_f.', '.final_layer_norm.', '^lang_encoder.model.norm.',
)


def open_tensors(source: str | os.PathLike) -> Tensors:
  """Of a file of torch.save or safetensors, or a folder of such.

  Raises:
    UserError: there is none, or it is damaged or would run something.
  """
  path = pathlib.Path(source)
  if not path.exists():
    raise UserError(f'{path} does not exist; name a checkpoint.pt, or a folder '
                    'with safetensors or .bin files')
  if path.is_file():
    is_safe = path.suffix == '.safetensors'
    return Tensors(path) if is_safe else TorchTensors([path])
  if any(path.glob('*.safetensors')):
    return Tensors(path)
  if (path / _INDEX).exists():
    return TorchTensors(indexed_files(path / _INDEX))
  files = sorted(x for x in path.glob('*') if x.suffix in ('.bin', '.pt', '.pth'))
  if len(files) != 1:
    raise UserError(
        f'{path} holds {len(files)} files of weights (.pt, .pth, .bin) and no '
        f'{_INDEX}; name one file, or the whole folder of the model'
    )
  return TorchTensors(files)


def mapping(
    tensors: Tensors,
    language_model: LanguageModelConfig,
    entries: int,
    vision_encoder: VisionEncoderConfig,
    head_size: int,
) -> Mapping:
  """How a checkpoint becomes what one of our Flamingos adds to its towers.

  Args:
    tensors: of the checkpoint.
    language_model: the tower's.
    entries: of the language model's tokenizer.
    vision_encoder: the tower's.
    head_size: of blocks and resampler, which no tensor tells.

  Raises:
    UserError: it is no such checkpoint, or not of these towers.
  """
  prefix, places = _blocks(tensors)
  table = next((name for name in TABLES if name in tensors), None)
  if table is None:
    raise UserError(
        f'none of {", ".join(TABLES)} is among the {len(list(tensors))} '
        'tensors of the checkpoint; is a file missing?'
    )
  decoder = language_model.decoder
  vocab = _known_entries(tensors.rows(table), entries, decoder.vocab)
  depth = _count(tensors, 'perceiver.layers.{}.0.to_q.weight')
  block = f'{prefix}{places[0]}.gated_cross_attn_layer.'
  heads = lambda name: _heads(tensors, name, head_size)
  step = places[1] - places[0] if len(places) > 1 else decoder.layers - places[0]
  if places != list(range(places[0], decoder.layers, step)):
    raise UserError(
        f'the checkpoint has blocks before the layers {places} and the language '
        f'model {decoder.layers} layers: one before every k-th, to the end, is '
        'known here; is it another language model?'
    )
  latents, width = (*tensors.shape('perceiver.latents'), 0)[:2]
  frames = 'perceiver.frame_embs'
  config = flamingo_config(
      language_model, vision_encoder, vocab=vocab, xattn_every=step,
      first=places[0], added=tensors.rows(table) - vocab,
      heads=heads(f'{block}attn.to_q.weight'), head_size=head_size,
      resampler=ResamplerConfig(
          layers=depth, width=width, latents=latents,
          heads=heads('perceiver.layers.0.0.to_q.weight'),
          frames=tensors.rows(frames) if frames in tensors else 0,
      ),
  )
  rules = [
      *added_rules(config, prefix),
      Rule(table, ('decoder/new_token_embedding',), lambda x: (x[vocab:],)),
  ]
  head = find_head(tensors)
  if not decoder.tied:
    rules.append(_head_rule(head, table, tensors.rows(table), vocab))
  tied = (head,) if head and decoder.tied else ()
  return Mapping(
      config, (), tuple(rules), (*_LEFT_OUT, *tied),
      told_by='the rest of the checkpoint, with its towers,',
  )


def flamingo_config(
    language_model: LanguageModelConfig, vision_encoder: VisionEncoderConfig, *,
    vocab: int, xattn_every: int, first: int, added: int, heads: int,
    head_size: int, resampler: ResamplerConfig,
) -> FlamingoConfig:
  """What the maker's code builds between two towers.

  Args:
    language_model: the tower's.
    vision_encoder: the tower's.
    vocab: entries of the language model.
    xattn_every: layers from a block to the next.
    first: layers before the first block.
    added: entries.
    heads: of blocks.
    head_size: of blocks and resampler.
    resampler: its layers, width, latents, heads and frames.
  """
  decoder = language_model.decoder
  return FlamingoConfig(
      vision=vision_encoder.vision,
      resampler=dataclasses.replace(
          resampler, head_size=head_size, projected=False,
          activation='gelu_exact', qk_norm=False,
      ),
      decoder=dataclasses.replace(
          decoder, vocab=vocab, xattn_every=xattn_every, first=first,
          block=BlockConfig(
              heads=heads, head_size=head_size, activation='gelu_exact',
              maps_media=False,
          ),
          added=added, added_tied=decoder.tied,
      ),
      image_size=vision_encoder.image_size,
      dtype=language_model.dtype, frozen_dtype=language_model.dtype,
  )


def added_rules(config: FlamingoConfig, prefix: str) -> list[Rule]:
  """Of the resampler and the blocks; names of layers begin with the prefix."""
  return [*_resampler(config.resampler), *_block_rules(config.decoder, prefix)]


def layer_prefix(tensors: Tensors) -> str:
  """What the names of layers begin with."""
  return _blocks(tensors)[0]


def find_table(tensors: Tensors) -> str:
  """The table of words, which a mapping has found there."""
  return next(name for name in TABLES if name in tensors)


def find_head(tensors: Tensors) -> str | None:
  """The map out of the trunk, which some checkpoints lack."""
  return next((name for name in HEADS if name in tensors), None)


def _head_rule(head: str | None, table: str, rows: int, vocab: int) -> Rule:
  """Rows of the map out of the trunk; without one 0, the mean of the maker's.

  His code makes them at random whenever a model is loaded, and never trains them.
  """
  target = ('decoder/new_token_unembedding',)
  if head is None:
    return Rule(table, target, lambda x: (np.zeros_like(x[vocab:]),))

  def make(x: np.ndarray) -> tuple[np.ndarray]:
    if len(x) != rows:
      raise UserError(f'{head} has {len(x)} rows and {table} {rows}; the files do '
                      'not belong together')
    return (x[vocab:],)

  return Rule(head, target, make)


def _blocks(tensors: Tensors) -> tuple[str, list[int]]:
  """What the names of layers begin with, and which have a gated block."""
  found = [match for name in tensors if (match := _BLOCK.match(name))]
  prefixes = {match[1] for match in found}
  if len(prefixes) != 1:
    raise UserError(
        f'the {len(list(tensors))} tensors of the checkpoint are not those of '
        'one OpenFlamingo: none, or those of several, are called lang_encoder.'
        '<layers>.<number>.gated_cross_attn_layer'
    )
  return prefixes.pop(), sorted({int(match[2]) for match in found})


def _known_entries(rows: int, entries: int, table: int) -> int:
  """How many rows are the language model's: its tokenizer's, or all it has."""
  for known in (entries, table):
    if known <= table and rows - known in ADDED:
      return known
  raise UserError(
      f'the table of the checkpoint has {rows} rows, where the tokenizer of the '
      f'language model has {entries} entries and its table {table} rows: 2 to 4 '
      'more were expected; is it another language model?'
  )


def _count(tensors: Tensors, name: str) -> int:
  """How many tensors have such a name, from 0; at least 1, to be missed."""
  count = 0
  while name.format(count) in tensors:
    count += 1
  return max(count, 1)


def _heads(tensors: Tensors, name: str, head_size: int) -> int:
  rows = tensors.rows(name)
  if rows == 0 or head_size < 1 or rows % head_size:
    raise UserError(
        f'{name} has {rows} rows, which heads of {head_size} do not make up; give '
        'the head_size that the model was built with'
    )
  return rows // head_size


def _attention(source: str, target: str, heads: int) -> list[Rule]:
  """Without its norms."""
  return [
      transposed(f'{source}.to_q.weight', f'{target}/query/map'),
      Rule(f'{source}.to_kv.weight',
           tuple(f'{target}/{part}/map/kernel' for part in ('key', 'value')),
           lambda x: np.split(x.T, 2, axis=1)),
      from_heads(f'{source}.to_out.weight', f'{target}/out', heads),
  ]


def _feed_forward(source: str, target: str) -> list[Rule]:
  """With its norm."""
  return [
      *layer_norm(f'{source}.0', f'{target}/ffw_norm'),
      transposed(f'{source}.1.weight', f'{target}/ffw/up'),
      transposed(f'{source}.3.weight', f'{target}/ffw/down'),
  ]


def _resampler(config: ResamplerConfig) -> list[Rule]:
  target = 'resampler/layers'
  rules = [
      same('perceiver.latents', 'resampler/latents'),
      *layer_norm('perceiver.norm', 'resampler/norm'),
  ]
  if config.frames:
    rules.append(same('perceiver.frame_embs', 'resampler/time_embeddings'))
  for layer in range(config.layers):
    source = f'perceiver.layers.{layer}'
    rules += [dataclasses.replace(rule, place=(layer,)) for rule in (
        *layer_norm(f'{source}.0.norm_media', f'{target}/features_norm'),
        *layer_norm(f'{source}.0.norm_latents', f'{target}/latents_norm'),
        *_attention(f'{source}.0', target, config.heads),
        *_feed_forward(f'{source}.1', target),
    )]
  return rules


def _block_rules(config: DecoderConfig, prefix: str) -> list[Rule]:
  rules = []
  places = range(config.first, config.layers, config.xattn_every)
  for number, layer in enumerate(places):
    stack, place = 'groups', (number,)
    if number == config.groups:
      stack, place = 'tail', ()
    source = f'{prefix}{layer}.gated_cross_attn_layer'
    target = f'decoder/{stack}/xattn'
    rules += [dataclasses.replace(rule, place=place) for rule in (
        *layer_norm(f'{source}.attn.norm', f'{target}/attn_norm'),
        *_attention(f'{source}.attn', target, config.block.heads),
        *_feed_forward(f'{source}.ff', target),
        *(Rule(f'{source}.{ours.replace("ffw", "ff")}', (f'{target}/{ours}',),
               lambda x: (x.reshape(()),))
          for ours in ('attn_gate', 'ffw_gate')),
    )]
  return rules

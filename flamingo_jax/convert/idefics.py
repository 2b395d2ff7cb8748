# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""IDEFICS: a Llama with gated blocks, a CLIP and a resampler in one folder."""

from collections.abc import Iterator
import dataclasses

from flamingo_jax.convert import clip
from flamingo_jax.convert import llama
from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes, Tensors
from flamingo_jax.convert.pixels import Pixels
from flamingo_jax.convert.rules import (
    Mapping,
    Rule,
    from_heads,
    layer_norm,
    same,
    tower_of,
    transposed,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import BlockConfig, DecoderConfig
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.resampler import ResamplerConfig
from flamingo_jax.models.vision import VisionEncoderConfig

# What is trained, how parts begin, and what transformers reads nowhere.
_IRRELEVANT = (
    'alpha_initializer', 'alphas_initializer_range', 'ffn_dim', 'freeze_lm_head',
    'freeze_text_layers', 'freeze_text_module_exceptions',
    'freeze_vision_layers', 'freeze_vision_module_exceptions', 'max_new_tokens',
    'word_embed_proj_dim',
)


def mapping(config: Attributes, tensors: Tensors, pixels: Pixels) -> Mapping:
  """How an IDEFICS becomes one of our Flamingos, its towers included.

  Raises:
    UserError: it has what is not known here.
  """
  every = config.count('cross_layer_interval', 1)
  added = config.count('additional_vocab_size', 0, least=0)
  qk_norm = config.flag('qk_layer_norms')
  gates = config.expect('alpha_type', 'float', 'vector')
  config.expect('cross_layer_activation_function', 'swiglu', None)
  config.ignore(*_IRRELEVANT)
  vision = clip.idefics_mapping(
      config.part('vision_config', {}), pixels, 'model.vision_model.'
  )
  resampler = _resampler_config(config, vision.config)
  language_model = llama.mapping('llama', config, tensors)
  decoder, dtype = language_model.config.decoder, language_model.config.dtype
  if decoder.layers % every:
    raise UserError(
        f'{config.path}: cross_layer_interval is {every}, which does not divide '
        f'the {decoder.layers} layers; the maker\'s code cannot compute it'
    )
  layer = decoder.layer
  decoder = dataclasses.replace(
      decoder, xattn_every=every, added=added, added_tied=decoder.tied,
      block=BlockConfig(
          heads=decoder.heads, head_size=decoder.head_size,
          activation=layer.activation, maps_media=False, norm='rms',
          norm_eps=layer.norm_eps, gated=True, mlp_width=layer.mlp_width,
          qk_norm=qk_norm, vector_gates=gates == 'vector',
      ),
  )
  tied = ('^lm_head.additional_fc.',) if decoder.tied else ()
  return Mapping(
      FlamingoConfig(
          vision=vision.config.vision, resampler=resampler, decoder=decoder,
          image_size=vision.config.image_size, dtype=dtype, frozen_dtype=dtype,
      ),
      (),
      (*_in_a_whole(vision), *_in_a_whole(language_model, every),
       *_added_rows(decoder), *_resampler(resampler), *_blocks(decoder)),
      (*vision.left_out, *language_model.left_out, *tied),
      conventions='idefics',
  )


def _resampler_config(
    config: Attributes, vision: VisionEncoderConfig
) -> ResamplerConfig:
  """Without one, text sees all that the vision encoder makes of a picture."""
  width = vision.vision.width
  part = config.part('perceiver_config', {})
  found = ResamplerConfig(
      layers=part.count('resampler_depth', 6), width=width,
      heads=part.count('resampler_n_heads', 16),
      head_size=part.count('resampler_head_dim', 96),
      latents=part.count('resampler_n_latents', 64), frames=0, projected=False,
      activation='relu', qk_norm=part.flag('qk_layer_norms_perceiver'),
  )
  part.ignore('use_resampler', *IRRELEVANT)  # which stands in the whole, too
  part.finish()
  if config.flag('use_resampler'):
    return found
  side = vision.vision.side(vision.image_size)
  return ResamplerConfig(
      layers=0, width=width, latents=1 + side**2, frames=0, projected=False
  )


def _in_a_whole(mapping: Mapping, every: int = 0) -> Iterator[Rule]:
  """The rules of a tower; of a language model, with a block every k layers."""
  name = tower_of(mapping.config).name
  for rule in mapping.rules():
    place = rule.place
    if every and place:
      place = divmod(place[0], every)
    yield dataclasses.replace(
        rule, targets=tuple(f'{name}/{target}' for target in rule.targets),
        place=place,
    )


def _added_rows(decoder: DecoderConfig) -> list[Rule]:
  if not decoder.added:
    return []
  rules = [same('model.embed_tokens.additional_embedding.weight',
                'decoder/new_token_embedding')]
  if not decoder.added_tied:
    rules.append(same('lm_head.additional_fc.weight',
                      'decoder/new_token_unembedding'))
  return rules


def _attention(source: str, target: str, out: str, heads: int) -> list[Rule]:
  return [
      *(transposed(f'{source}.{name[0]}_proj.weight', f'{target}/{name}/map')
        for name in ('query', 'key', 'value')),
      from_heads(f'{source}.{out}.weight', f'{target}/out', heads),
  ]


def _resampler(config: ResamplerConfig) -> list[Rule]:
  if not config.layers:
    return []
  source, target = 'model.perceiver_resampler.', 'resampler/layers'
  rules = [
      same(f'{source}latents', 'resampler/latents'),
      *layer_norm(f'{source}layer_norm', 'resampler/norm'),
  ]
  norms = {'context': 'features', 'latents': 'latents'}
  if config.qk_norm:
    norms |= {'q': 'query', 'k': 'key'}
  for layer in range(config.layers):
    attention, mlp = (f'{source}blocks.{layer}.{part}' for part in (0, 1))
    of_layer = _attention(attention, target, 'output_proj', config.heads)
    for theirs, ours in norms.items():
      of_layer += layer_norm(
          f'{attention}.{theirs}_layer_norm', f'{target}/{ours}_norm'
      )
    of_layer += [
        *layer_norm(f'{mlp}.ln', f'{target}/ffw_norm'),
        transposed(f'{mlp}.fc.weight', f'{target}/ffw/up'),
        transposed(f'{mlp}.c_proj.weight', f'{target}/ffw/down'),
    ]
    rules += [dataclasses.replace(x, place=(layer,)) for x in of_layer]
  return rules


def _blocks(decoder: DecoderConfig) -> list[Rule]:
  rules, target = [], 'decoder/groups/xattn'
  shape = (-1,) if decoder.block.vector_gates else ()
  gate = lambda x: (x.reshape(shape),)
  norms = {'input_layernorm': 'attn_norm', 'post_attention_layernorm': 'ffw_norm'}
  if decoder.block.qk_norm:
    norms |= {'cross_attn.q_layer_norm': 'query_norm',
              'cross_attn.k_layer_norm': 'key_norm'}
  for block in range(decoder.groups):
    source = f'model.gated_cross_attn_layers.{block}.'
    of_block = [
        *_attention(f'{source}cross_attn', target, 'o_proj', decoder.block.heads),
        *(transposed(f'{source}mlp.{name}_proj.weight', f'{target}/ffw/{name}')
          for name in ('gate', 'up', 'down')),
        *(same(f'{source}{theirs}.weight', f'{target}/{ours}/scale')
          for theirs, ours in norms.items()),
        Rule(f'{source}alpha_cross_attn', (f'{target}/attn_gate',), gate),
        Rule(f'{source}alpha_dense', (f'{target}/ffw_gate',), gate),
    ]
    rules += [dataclasses.replace(x, place=(block,)) for x in of_block]
  return rules

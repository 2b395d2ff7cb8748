# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The vision encoder of Llama 3.2 Vision."""

from collections.abc import Iterator
import dataclasses

from flamingo_jax.convert import vit_parts
from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes
from flamingo_jax.convert.pixels import Pixels, side
from flamingo_jax.convert.rules import (
    Rule,
    from_heads,
    layer_norm,
    linear,
    same,
    transposed,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models.tiled_vit import TiledViTConfig

_LEVELS = [3, 7, 15, 23, 30]
_TARGET = 'vision_encoder'


def vision_config(
    part: Attributes, pixels: Pixels, version: str
) -> tuple[TiledViTConfig, int]:
  """The encoder, and the size of its tiles; all of `part` is understood.

  Args:
    part: of config.json.
    pixels: of preprocessor_config.json.
    version: of transformers, that config.json names.

  Raises:
    UserError: it has what is not known here.
  """
  width = part.count('hidden_size', 1280)
  heads = part.count('attention_heads', 16)
  vit_parts.check_heads(width, heads, part.path)
  part.expect('num_channels', 3)
  layers = part.count('num_hidden_layers', 32)
  size = side(part.take('image_size', 448), f'{part.path}: image_size')
  patch = side(part.take('patch_size', 14), f'{part.path}: patch_size')
  levels = _levels(part, layers, version)
  output = part.count('vision_output_dim', 7680)
  if output != width * (1 + len(levels)):
    raise UserError(
        f'{part.path}: vision_output_dim is {output}, and hidden_size, {width}, '
        f'with {len(levels)} intermediate layers make {width * (1 + len(levels))}'
    )
  _check_tiles(part, pixels, size)
  found = TiledViTConfig(
      patch=patch, grid=size // patch, layers=layers,
      global_layers=part.count('num_global_layers', 8), levels=levels,
      width=width, heads=heads, mlp_width=part.count('intermediate_size', 5120),
      activation=part.activation('hidden_act', 'gelu'),
      norm_eps=part.number('norm_eps', 1e-5), **vit_parts.statistics(pixels),
  )
  part.ignore(*IRRELEVANT, 'tie_word_embeddings')
  part.finish()
  return found, size


def _levels(
    part: Attributes, layers: int, version: str
) -> tuple[int, ...]:
  """After how many layers features are handed on.

  The maker's code, and transformers before version 5, hand on what layer i gets,
  and transformers 5 what it makes: a model is computed as it was when it was
  saved.
  """
  told = part.take('intermediate_layers_indices', _LEVELS)
  if not isinstance(told, list) or not told or not all(
      type(x) is int and 0 <= x < layers for x in told
  ):
    raise UserError(
        f'{part.path}: intermediate_layers_indices is {told!r} and has to be '
        f'whole numbers from 0 to {layers - 1}'
    )
  is_before = version and version.split('.')[0] in ('4', '3')
  return tuple(x + (not is_before) for x in told)


def _check_tiles(part: Attributes, pixels: Pixels, size: int) -> None:
  """That both files make the same tiles, in layouts that are known."""
  tiles = part.count('max_num_tiles', 4)
  found = pixels.size.squaring.tiles
  if (found, int(pixels.size)) != (tiles, size):
    raise UserError(
        f'{pixels.path} makes {found} tiles of {pixels.size} pixels a side, and '
        f'{part.path} says {tiles} of {size}; the files do not belong together'
    )
  layouts = [
      [rows, columns] for rows in range(1, tiles + 1)
      for columns in range(1, tiles + 1) if rows * columns <= tiles
  ]
  told = part.take('supported_aspect_ratios', layouts)
  if told != layouts:
    raise UserError(
        f'{part.path}: supported_aspect_ratios is {told!r}, and known are those '
        f'of its processor, {layouts!r}'
    )


def rules(source: str, vision: TiledViTConfig) -> Iterator[Rule]:
  """Of all tensors, whose names begin with `source`."""
  gate = lambda x: (x.reshape(()),)
  table = lambda *shape: lambda x: (x.reshape(-1, *shape, vision.width),)
  named = lambda theirs, ours, make: Rule(
      f'{source}{theirs}', (f'{_TARGET}/{ours}',), make
  )
  patches = vit_parts.patches(f'{source}patch_embedding.weight')
  yield dataclasses.replace(
      patches, targets=tuple(f'{_TARGET}/{x}' for x in patches.targets)
  )
  yield named('class_embedding', 'class_token', table())
  places = 'gated_positional_embedding'
  yield same(f'{source}{places}.embedding', f'{_TARGET}/position_embeddings')
  yield named(f'{places}.tile_embedding.weight', 'tile_position_embeddings',
              table(vision.tiles, vision.tokens))
  yield named(f'{places}.gate', 'position_gate', gate)
  for theirs, ours in (('pre', 'before'), ('post', 'behind')):
    tile = f'{theirs}_tile_positional_embedding'
    yield named(f'{tile}.embedding.weight', f'tile_embeddings_{ours}',
                table(vision.tiles))
    yield named(f'{tile}.gate', f'tile_gate_{ours}', gate)
  yield from layer_norm(f'{source}layernorm_pre', f'{_TARGET}/pre_norm')
  yield from layer_norm(f'{source}layernorm_post', f'{_TARGET}/norm')
  for stack, count, theirs in (
      ('layer_blocks', vision.layers, 'transformer'),
      ('global_blocks', vision.global_layers, 'global_transformer'),
  ):
    for layer in range(count):
      at, target = f'{source}{theirs}.layers.{layer}.', f'{_TARGET}/{stack}'
      of_layer = _layer(at, target, vision.heads)
      if stack == 'global_blocks':
        of_layer += [
            Rule(f'{at}gate_{x}', (f'{target}/{x}_gate',), gate)
            for x in ('attn', 'ffn')
        ]
      for rule in of_layer:
        yield dataclasses.replace(
            rule, place=(layer,),
            targets=tuple(x.replace('ffn_', 'ffw_') for x in rule.targets),
        )


def _layer(at: str, target: str, heads: int) -> list[Rule]:
  return [
      *layer_norm(f'{at}input_layernorm', f'{target}/attn_norm'),
      *layer_norm(f'{at}post_attention_layernorm', f'{target}/ffw_norm'),
      *(transposed(f'{at}self_attn.{name[0]}_proj.weight', f'{target}/{name}/map')
        for name in ('query', 'key', 'value')),
      from_heads(f'{at}self_attn.o_proj.weight', f'{target}/out', heads),
      *linear(f'{at}mlp.fc1', f'{target}/ffw/up'),
      *linear(f'{at}mlp.fc2', f'{target}/ffw/down'),
  ]

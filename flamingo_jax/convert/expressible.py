# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a format of other makers can hold a model."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
from typing import Any

from flax import traverse_util

from flamingo_jax.data.conventions import CONVENTIONS
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.vision import vision_config
from flamingo_jax.models.vit import ViTConfig

# How a model begins, is trained and computed, which no format says.
_NOT_OF_WEIGHTS = (
    'decoder/remat', 'decoder/unroll', 'resampler/latents_stddev', 'dtype',
    'frozen_dtype', 'trains_language_model', 'trains_vision_encoder',
)


@contextlib.contextmanager
def refusing(folder: os.PathLike, form: str) -> Iterator[None]:
  """Whatever a block finds unfit is told of a model and a format.

  Raises:
    UserError: of that.
  """
  try:
    yield
  except UserError as error:
    raise UserError(
        f'{folder} cannot be exported as --format={form}: {error}; '
        '--format=safetensors takes any model'
    ) from None


def check_same(ours: Architecture, theirs: Architecture) -> None:
  """Raises UserError of what makes a model another than a format says.

  Args:
    ours: the model's.
    theirs: of what is read again from the format's own files.
  """
  mine, found = _flat(ours), _flat(theirs)
  for name in sorted(mine.keys() | found.keys()):
    if name not in _NOT_OF_WEIGHTS and mine.get(name) != found.get(name):
      raise UserError(
          f'{name.replace("/", ".")} is {mine.get(name)!r}, and {found.get(name)!r}'
          ' is all that the format can say'
      )


def check_is_merged(config: FlamingoConfig) -> None:
  """Raises UserError of a model with low-rank updates."""
  if config.lora.rank:
    raise UserError(
        'it has low-rank updates: make them part of their maps before, with '
        'flamingo convert --merge_lora, or give --format=peft'
    )


def check_words(words: Vocabulary, conventions: str, maker: str) -> None:
  """Raises UserError of a model whose documents are not the maker's."""
  if words.conventions != CONVENTIONS[conventions]:
    raise UserError(
        f"its documents are not written as {maker}'s, whose tags are entries of "
        'the vocabulary'
    )


def vit_of(config: Any) -> ViTConfig:
  """The vision encoder of a model, which has to be a ViT; else UserError."""
  vision = vision_config(config.vision)
  if not isinstance(vision, ViTConfig):
    raise UserError('its vision encoder is an NFNet, and that of the format a ViT')
  return vision


def _flat(config: Architecture) -> dict[str, Any]:
  """All fields, with what stands for a default in its place."""
  values = config.to_dict()
  if hasattr(config, 'decoder'):
    decoder = config.decoder
    layer = values['decoder']['layer']
    layer |= {'kv_heads': decoder.kv_heads,
              'mlp_width': layer['mlp_width'] or 4 * decoder.width}
    block = dataclasses.asdict(decoder.sized_block)
    block['mlp_width'] = block['mlp_width'] or 4 * decoder.width
    values['decoder']['block'] = block
  if hasattr(config, 'vision'):
    vision = vision_config(config.vision)
    values['vision'] = dataclasses.asdict(vision)
    if isinstance(vision, ViTConfig):
      values['vision'] |= {
          'mlp_width': vision.mlp_width or 4 * vision.width,
          'grid': vision.side(config.image_size),
      }
  return traverse_util.flatten_dict(values, sep='/')

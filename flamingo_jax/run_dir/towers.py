# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Flamingo has the shape and the vocabulary of the towers that it is given."""

from collections.abc import Callable
import dataclasses
from typing import Any

from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.models import LanguageModelConfig
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.run_dir.checkpoint import split_path
from flamingo_jax.run_dir.model_json import (
    read_model_json,
    stored_vocabulary,
)

# What a Flamingo decides of its decoder, and not the language model.
_OF_FLAMINGO = ('xattn_every', 'first', 'remat', 'unroll')


def tower_overrides(
    vision_encoder: str, language_model: str
) -> dict[str, Any]:
  """Overrides of `variants.get`: what the towers say of a Flamingo.

  The decoder is that of the language model, if it is told; a tower that is not
  given is trained along: between random frozen towers the blocks learn to
  ignore the pictures.

  Args:
    vision_encoder: a source of weights, '' for none.
    language_model: likewise.
  """
  overrides = {
      'trains_vision_encoder': not vision_encoder,
      'trains_language_model': not language_model,
  }
  decoder = _stored_decoder(language_model)
  if decoder is not None:
    overrides |= {
        f'decoder.{field.name}': getattr(decoder, field.name)
        for field in dataclasses.fields(decoder)
        if field.name not in _OF_FLAMINGO
    }
  return overrides


def tower_vocabulary(
    language_model: str, default: Callable[[], Vocabulary]
) -> Vocabulary:
  """The vocabulary of a language model; of none, or an untold one, `default`'s."""
  if _stored_decoder(language_model) is None:
    return default()
  return stored_vocabulary(language_model)


def _stored_decoder(language_model: str) -> DecoderConfig | None:
  """Of a source that has a model.json of a language model or a Flamingo."""
  if not language_model:
    return None
  folder, _ = split_path(language_model)
  if not (folder / 'model.json').exists():
    return None
  architecture = read_model_json(folder)['architecture']
  if 'decoder' not in architecture:
    return None
  fields = {key: architecture[key] for key in ('decoder', 'dtype')}
  return LanguageModelConfig.from_dict(
      fields, f'the language model in {folder}'
  ).decoder

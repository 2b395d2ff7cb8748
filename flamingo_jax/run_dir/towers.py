# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A Flamingo has the shape and the vocabulary of the towers that it is given."""

from collections.abc import Callable, Mapping
import dataclasses
import os
from typing import Any

from flamingo_jax import own_objects
from flamingo_jax.data.documents import first_features, size_of
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import (
    FlamingoConfig,
    LanguageModelConfig,
    VisionEncoderConfig,
    variants,
)
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.array_encoder import ArrayEncoderConfig
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.nfnet import NFNetConfig
from flamingo_jax.models.vision import has_size, picture_size, vision_config
from flamingo_jax.picture_size import FrameSize
from flamingo_jax.run_dir.model_json import (
    read_model_json,
    stored_config,
    stored_vocabulary,
)
from flamingo_jax.run_dir.steps import split_path

# What a Flamingo decides of its decoder, and not the language model.
OF_FLAMINGO = ('xattn_every', 'first', 'remat', 'unroll', 'block')


def tower_overrides(
    vision_encoder: str | ArrayEncoderConfig | None,
    language_model: str | None,
    others: Mapping[str, Any] | None = None,
    weights: str = '',
) -> dict[str, Any]:
  """Overrides of `variants.get`: what the towers say of a Flamingo.

  Decoder and vision encoder are those of the towers, if they are told; a tower
  that is not given is trained along: between random frozen towers the blocks
  learn to ignore the pictures. Where all weights are another Flamingo's, so is
  the whole shape, and what of it is trained.

  Args:
    vision_encoder: a source of weights, '' for none; None: it will be given, as
      where a run is planned, and is taken to be the variant's. Or an encoder of
      arrays without weights.
    language_model: likewise.
    others: what else is another than the variant's.
    weights: a source of all weights; '' for none.
  """
  if (whole := _stored_flamingo(weights)) is not None:
    return {
        field.name: getattr(whole, field.name)
        for field in dataclasses.fields(FlamingoConfig)
    } | dict(others or {})
  arrays = isinstance(vision_encoder, ArrayEncoderConfig)
  is_new = arrays or vision_encoder == ''
  overrides = dict(others or {}) | {
      'trains_vision_encoder': is_new,
      'trains_language_model': language_model == '',
  }
  decoder = _stored_decoder(language_model)
  if decoder is not None:
    overrides |= {
        f'decoder.{field.name}': getattr(decoder, field.name)
        for field in dataclasses.fields(decoder)
        if field.name not in OF_FLAMINGO
    }
  if arrays:
    overrides['vision'] = vision_encoder
  elif (encoder := stored_encoder(vision_encoder)) is not None:
    overrides['vision'] = encoder.vision
    if has_size(encoder.vision):
      overrides['image_size'] = encoder.image_size
  return overrides


def finetuned_config(
    weights: str | None, image_size: int, variant: str
) -> FlamingoConfig:
  """A Flamingo whose vision encoder is trained too, on larger pictures (B.2.2).

  The language model is frozen, whether or not the run had it trained.

  Args:
    weights: the MODEL_DIR of a Flamingo; None: it will be given, as where a run
      is planned, and is taken to be the variant's.
    image_size: pixels a side, which NFNets see at any size.
    variant: a member of the zoo.

  Raises:
    UserError: there is no such run, or pictures of a size that its encoder has
      no places for.
  """
  if weights is None:
    config = variants.get(variant)
  elif isinstance(config := stored_config(weights), LanguageModelConfig):
    raise UserError(
        f'{weights} holds a language model alone, which sees nothing: give the '
        'MODEL_DIR of a Flamingo'
    )
  vision = vision_config(config.vision)
  if image_size != config.image_size and not isinstance(vision, NFNetConfig):
    raise UserError(
        f'the vision encoder of {weights or variant} has position embeddings '
        f'only for pictures of {config.image_size} pixels a side: give '
        f'--gin.IMAGE_SIZE={config.image_size}'
    )
  return dataclasses.replace(
      config, image_size=image_size, trains_vision_encoder=True,
      trains_language_model=False,
  )


def finetuned_picture_size(
    weights: str | None, image_size: int, variant: str
) -> FrameSize:
  """What pictures the model of `finetuned_config` sees."""
  config = finetuned_config(weights, image_size, variant)
  return picture_size(config.vision, image_size)


def tower_image_size(
    vision_encoder: str | ArrayEncoderConfig | None, variant: str,
    weights: str = '',
) -> FrameSize:
  """What a Flamingo sees: the frames of the encoder, or of the variant.

  Args:
    vision_encoder: as of `tower_overrides`.
    variant: a member of the zoo, which `tower_overrides` changes.
    weights: likewise.
  """
  config = variants.get(
      variant, tower_overrides(vision_encoder, '', weights=weights)
  )
  return picture_size(config.vision, config.image_size)


def array_encoder(path: str | os.PathLike, encoder: str) -> ArrayEncoderConfig:
  """An encoder for arrays such as the first of a data set, without weights.

  Args:
    path: a JSONL file, or a folder that `flamingo prepare` has made.
    encoder: its name, as of ArrayEncoderConfig; its module is imported, from the
      current folder last.

  Raises:
    UserError: the data cannot be read, their first medium is no array, or the
      module cannot be imported.
  """
  if ':' in encoder:
    own_objects.named(encoder, 'ENCODER')
  if os.path.isdir(path):
    from flamingo_jax.data.records import RecordDocuments  # has TensorFlow

    size = size_of(path, RecordDocuments(path)[0].parts)
  else:
    size = first_features(path)
  return ArrayEncoderConfig(encoder, size.positions, size.channels)


def tower_vocabulary(
    language_model: str, default: Callable[[], Vocabulary], weights: str = ''
) -> Vocabulary:
  """The vocabulary of a language model; of none, or an untold one, `default`'s.

  That of a Flamingo that all weights are of goes before.
  """
  if _stored_flamingo(weights) is not None:
    return stored_vocabulary(weights)
  if _stored_decoder(language_model) is None:
    return default()
  return stored_vocabulary(language_model)


def _stored_decoder(language_model: str | None) -> DecoderConfig | None:
  """Of a source that has a model.json of a language model or a Flamingo."""
  config = _stored_part(
      language_model, LanguageModelConfig, 'the language model'
  )
  return None if config is None else config.decoder


def stored_encoder(vision_encoder: str | None) -> VisionEncoderConfig | None:
  """Of a source that has a model.json of a model that sees."""
  return _stored_part(
      vision_encoder, VisionEncoderConfig, 'the vision encoder'
  )


def _stored_flamingo(weights: str) -> FlamingoConfig | None:
  """Of a source that has a model.json of a Flamingo."""
  return _stored_part(weights, FlamingoConfig, 'the model')


def _stored_part(
    source: str | None, part: type[Architecture], what: str
) -> Any:
  """The fields of a part, of what a source's model.json is of; None of none."""
  if not source:
    return None
  folder, _ = split_path(source)
  if not (folder / 'model.json').exists():
    return None
  architecture = read_model_json(folder)['architecture']
  names = [field.name for field in dataclasses.fields(part)]
  if any(name not in architecture for name in names):
    return None
  return part.from_dict(
      {name: architecture[name] for name in names}, f'{what} in {folder}'
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""MODEL_DIR/model.json and vocabulary.model: what the weights are for."""

from collections.abc import Collection
import importlib.metadata
import json
import os
from typing import Any

from etils import epath

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.data.vocabulary import Vocabulary, file_sha256
from flamingo_jax.errors import UserError, shown
from flamingo_jax.models import FlamingoConfig, LanguageModelConfig
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.run_dir.steps import split_path
from flamingo_jax.run_dir.differences import check_same_values

_FORMAT = 1
_KEYS = {
    'architecture': dict, 'vocabulary_sha256': str, 'max_media': int,
    'frames': int,
}
_KINDS = {dict: 'an object', str: 'a text', int: 'a whole number'}
_REMEDY = 'copy it back, or from another run with the same configuration'
_PACKAGES = ('jax', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


def write_model_json(
    model_dir: str | os.PathLike,
    config: Architecture,
    vocabulary: Vocabulary | None,
    max_media: int,
    frames: int,
) -> None:
  """Writes what inference needs to know besides the weights.

  Args:
    model_dir: the run's folder.
    config: the architecture.
    vocabulary: its model file is copied beside; None: it reads no text.
    max_media: the most media per example that were trained on.
    frames: the most frames per medium that were trained on.
  """
  model_dir = as_folder(model_dir)
  copy = model_dir / 'vocabulary.model'
  if vocabulary is not None and epath.Path(vocabulary.path) != copy:
    draft = copy.with_name(copy.name + '.tmp')
    epath.Path(vocabulary.path).copy(draft, overwrite=True)
    draft.replace(copy)
  description = {
      'format': _FORMAT,
      'architecture': config.to_dict(),
      'vocabulary_sha256': vocabulary.sha256 if vocabulary else '',
      'max_media': max_media,
      'frames': frames,
      'versions': {
          name: importlib.metadata.version(name) for name in _PACKAGES
      },
  }
  write_atomically(
      model_dir / 'model.json', json.dumps(description, indent=2) + '\n'
  )


def read_model_json(model_dir: str | os.PathLike) -> dict[str, Any]:
  """The contents of model.json.

  Raises:
    UserError: missing, or not of this format.
  """
  path = as_folder(model_dir) / 'model.json'
  try:
    description = json.loads(path.read_text(encoding='utf-8'))
  except (FileNotFoundError, NotADirectoryError):
    raise UserError(
        f'{path} does not exist: give the MODEL_DIR of a training run'
    ) from None
  except OSError as error:
    raise UserError(
        f'{path} cannot be read ({error.strerror}): fix its permissions, or '
        'give another MODEL_DIR'
    ) from error
  except (ValueError, RecursionError) as error:
    raise UserError(f'{path} is damaged ({error}): {_REMEDY}') from error
  if not isinstance(description, dict) or description.get('format') != _FORMAT:
    raise UserError(
        f'{path} is not of format {_FORMAT}: it was written by another version '
        'of flamingo_jax'
    )
  for name, kind in _KEYS.items():
    if type(description.get(name)) is not kind:
      raise UserError(
          f'{path} is damaged ({name} is {shown(description.get(name))} and has '
          f'to be {_KINDS[kind]}): {_REMEDY}'
      )
    if kind is int and description[name] < 0:
      raise UserError(
          f'{path} is damaged ({name} is {shown(description[name])} and has to '
          f'be from 0): {_REMEDY}'
      )
  return description


def check_model_json(
    model_dir: str | os.PathLike,
    config: Architecture,
    vocabulary: Vocabulary,
    but: Collection[str] = (),
) -> None:
  """Compares a run's folder with the model that is about to use it.

  Args:
    model_dir: the run's folder.
    config: of the model.
    vocabulary: likewise.
    but: fields of the architecture that may differ.

  Raises:
    UserError: another architecture (names what differs) or vocabulary.
  """
  description = read_model_json(model_dir)
  plain = lambda values: {
      name: value
      for name, value in json.loads(json.dumps(values.to_dict())).items()
      if name not in but
  }
  # Through the class, so that a folder from before a field was added has the
  # field's default.
  check_same_values(
      plain(config),
      plain(type(config).from_dict(
          description['architecture'], f'the model in {model_dir}'
      )),
      f'the checkpoint in {model_dir}',
  )
  if description['vocabulary_sha256'] != vocabulary.sha256:
    raise UserError(
        f'the checkpoint in {model_dir} was trained with another vocabulary '
        f'than {vocabulary.path}: use {as_folder(model_dir)}/'
        'vocabulary.model'
    )


def stored_config(
    model_dir: str | os.PathLike,
) -> FlamingoConfig | LanguageModelConfig:
  """The architecture of a run, from its MODEL_DIR or one of its checkpoints.

  Raises:
    UserError: there is no run, or it is that of a vision encoder.
  """
  folder, _ = split_path(model_dir)
  architecture = read_model_json(folder)['architecture']
  if 'resampler' not in architecture and 'decoder' in architecture:
    return LanguageModelConfig.from_dict(
        architecture, f'the model in {folder}'
    )
  if 'resampler' not in architecture:
    raise UserError(
        f'{folder} holds a vision encoder that was pretrained, no Flamingo: '
        'train one on it, as VISION_ENCODER of '
        'configs/runs/pretrain_from_towers.gin'
    )
  kind = FlamingoConfig
  if 'ablation' in architecture:
    from flamingo_jax.ablations.architecture import AblatedConfig as kind
  return kind.from_dict(architecture, f'the model in {folder}')


def stored_vocabulary(model_dir: str | os.PathLike) -> Vocabulary:
  """The tokenizer of a run, from its MODEL_DIR or one of its checkpoints.

  Raises:
    UserError: there is no run, or its file is another one than in training.
  """
  folder, _ = split_path(model_dir)
  path = folder / 'vocabulary.model'
  expected = read_model_json(folder)['vocabulary_sha256']
  if path.exists() and file_sha256(path) != expected:
    raise UserError(
        f'{path} is not the vocabulary that the checkpoint in {folder} was '
        'trained with, or is damaged: copy the original file back'
    )
  return Vocabulary(path)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run's folder says that its model is."""

import os

from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.training.checkpoint import split_path
from flamingo_jax.training.model_dir import read_model_json


def stored_config(model_dir: str | os.PathLike) -> FlamingoConfig:
  """The architecture of a run, from its MODEL_DIR or one of its checkpoints.

  Raises:
    UserError: there is no run, or it is that of a tower.
  """
  folder, _ = split_path(model_dir)
  architecture = read_model_json(folder)['architecture']
  if 'resampler' not in architecture:
    raise UserError(
        f'{folder} holds a tower that was pretrained by itself, no Flamingo: '
        'train one on it with configs/runs/pretrain_from_towers.gin'
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
  vocabulary = Vocabulary(folder / 'vocabulary.model')
  if vocabulary.sha256 != read_model_json(folder)['vocabulary_sha256']:
    raise UserError(
        f'{vocabulary.path} is not the vocabulary that the checkpoint in '
        f'{folder} was trained with: copy the original file back'
    )
  return vocabulary

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From the folder of a training run to a Predictor."""

from collections.abc import Sequence
import os

from flax import linen as nn
import jax
import jax.numpy as jnp

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.frames import TRAINING, AnyNumber, Sampling
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import Flamingo, FlamingoConfig
from flamingo_jax.predictor.predictor import Predictor
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.training.checkpoint import load_params
from flamingo_jax.training.model_dir import read_model_json
from flamingo_jax.training.tree_difference import check_same_tree
from flamingo_jax.typing import Tree


def load(
    model_dir: str | os.PathLike | None = None,
    step: int | None = None,
    *,
    frames: AnyNumber = None,
    fps: AnyNumber = None,
    keep_latents: int = 0,
    devices: Sequence[jax.Device] | None = None,
) -> Predictor:
  """The model of a training run.

  Args:
    model_dir: the run's folder; None: the flamingo_tiny of this package.
    step: which checkpoint; the newest if None.
    frames: that are read of a video; None: as many as in training.
    fps: frames per second of a video; None: 1, as in training. A video that is
      longer than frames / fps seconds is covered evenly.
    keep_latents: of how many media the latents stay in memory.
    devices: that each get a batch of prompts; None: the first one.

  Raises:
    UserError: no run or checkpoint there, or its parts don't belong together;
      frames or fps make no sense.
  """
  model_dir = as_folder(model_dir or shipped_weights())
  description = read_model_json(model_dir)
  if 'resampler' not in description['architecture']:
    raise UserError(
        f'{model_dir} holds a tower that was pretrained by itself, no '
        'Flamingo: train one on it with configs/runs/pretrain_from_towers.gin'
    )
  config = FlamingoConfig.from_dict(
      description['architecture'], f'the model in {model_dir}'
  )
  trained = Sampling(description['frames'], TRAINING.fps)
  sampling = trained.override(frames, fps)
  vocabulary = Vocabulary(model_dir / 'vocabulary.model')
  if vocabulary.sha256 != description['vocabulary_sha256']:
    raise UserError(
        f'{vocabulary.path} is not the vocabulary that the checkpoint in '
        f'{model_dir} was trained with: copy the original file back'
    )
  params, step = load_params(model_dir, step)
  check_same_tree(
      _shapes(config), params, f'checkpoint {step} in {model_dir}'
  )
  return Predictor(
      config, params, vocabulary, sampling.frames, keep_latents, devices,
      sampling.fps,
  )


def _shapes(config: FlamingoConfig) -> Tree:
  """Shapes of the whole parameter tree."""
  spec = jax.ShapeDtypeStruct
  size = config.image_size
  shapes = jax.eval_shape(
      Flamingo(config).init, jax.random.key(0),
      spec((1, 1), jnp.int32), spec((1, 1), jnp.int32),
      spec((1, 1, 1, size, size, 3), jnp.uint8), spec((1, 1, 1), jnp.bool_),
  )
  return nn.unbox(shapes)['params']

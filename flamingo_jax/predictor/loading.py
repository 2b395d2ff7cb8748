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
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.predictor.predictor import Predictor
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.training.checkpoint import load_params
from flamingo_jax.training.model_dir import read_model_json
from flamingo_jax.training.stored import stored_config, stored_vocabulary
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
  config, vocabulary = stored_config(model_dir), stored_vocabulary(model_dir)
  trained = Sampling(read_model_json(model_dir)['frames'], TRAINING.fps)
  sampling = trained.override(frames, fps)
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
      config.build().init, jax.random.key(0),
      spec((1, 1), jnp.int32), spec((1, 1), jnp.int32),
      spec((1, 1, 1, size, size, 3), jnp.uint8), spec((1, 1, 1), jnp.bool_),
  )
  return nn.unbox(shapes)['params']

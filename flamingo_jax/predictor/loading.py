# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From the folder of a training run to a Predictor."""

from collections.abc import Mapping, Sequence
import os
from typing import Any

import jax

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.frames import TRAINING, Sampling
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.predictor.predictor import Predictor
from flamingo_jax.run_dir.steps import find_step
from flamingo_jax.run_dir.model_json import (
    read_model_json,
    stored_config,
    stored_vocabulary,
)
from flamingo_jax.run_dir.weights import restore_params
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trained_model import answering


def load(
    model_dir: str | os.PathLike | None = None,
    step: AnyNumber = None,
    *,
    frames: AnyNumber = None,
    fps: AnyNumber = None,
    keep_latents: AnyNumber = 0,
    cache_media: Any = False,  # a bool
    devices: Sequence[jax.Device] | None = None,
    mesh: Mapping[str, int] | None = None,
    rules: str = 'data_parallel',
) -> Predictor:
  """The model of a training run.

  Its weights are read to where they are used, so that a model larger than a
  device needs no more than a mesh and rules that split it:
  `load('runs/80b', mesh={'fsdp': 2, 'model': 8}, rules='tensor_parallel')`.

  Args:
    model_dir: the run's folder; None: the flamingo_tiny of this package.
    step: which checkpoint; None: the newest; 'best': the one that knows the
      run's validation data best.
    frames: that are read of a video; None: as many as in training.
    fps: frames per second of a video; None: 1, as in training. A video that is
      longer than frames / fps seconds is covered evenly.
    keep_latents: of how many media the latents stay in memory.
    cache_media: whether they stay in the user's cache folder too.
    devices: of the mesh; None: the first one, or with `mesh` all of the job.
    mesh: size per mesh axis, as of training's MESH_SHAPE; None: all devices on
      'fsdp'.
    rules: a table of flamingo_jax/sharding.py, as training's
      LOGICAL_AXIS_RULES; that of the default puts all weights on each device.

  Raises:
    UserError: no run or checkpoint there, or its parts don't belong together;
      frames or fps make no sense; a mesh that doesn't fit.
  """
  if devices is None and mesh is None:
    devices = jax.local_devices()[:1]
  partitioner = Partitioner(mesh, rules, devices)
  model_dir = as_folder(
      shipped_weights() if model_dir is None else model_dir
  )
  config, vocabulary = stored_config(model_dir), stored_vocabulary(model_dir)
  trained = Sampling(read_model_json(model_dir)['frames'], TRAINING.fps)
  sampling = trained.override(frames, fps)
  params = restore_params(
      answering(config, vocabulary), partitioner, model_dir,
      find_step(model_dir, step),
  )
  return Predictor(
      config, params, vocabulary, partitioner=partitioner,
      frames=sampling.frames, fps=sampling.fps, keep_latents=keep_latents,
      cache_media=cache_media,
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Where results go unless something else is said: beside the weights."""

import os

from etils import epath

from flamingo_jax.shipped import place_in_package


def evaluation_dir(model_dir: str) -> str:
  """Where scores go unless something else is said: MODEL_DIR/eval."""
  return _beside_weights(model_dir, 'eval')


def inference_dir(model_dir: str) -> str:
  """Where answers go unless something else is said: MODEL_DIR/infer."""
  return _beside_weights(model_dir, 'infer')


def _beside_weights(model_dir: str, name: str) -> str:
  """DIR/<name>, and for DIR/checkpoint_5 DIR/<name>_checkpoint_5.

  Of the package's own weights, the same below runs/ of the working directory.
  """
  path = epath.Path(model_dir)
  if place := place_in_package(model_dir):
    path = epath.Path('runs') / place
  if path.name.startswith('checkpoint_'):
    return os.fspath(path.with_name(f'{name}_{path.name}'))
  return os.fspath(path / name)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that come with the package; docs/model_card.md tells of them."""

import os
import pathlib

from flamingo_jax.errors import UserError

_FOLDER = pathlib.Path(__file__).parent / 'weights'


def shipped_weights(name: str = 'flamingo_tiny') -> str:
  """The folder of a member of the zoo, as a MODEL_DIR.

  Raises:
    UserError: no weights of that name are shipped.
  """
  folder = _FOLDER / name
  if not (folder / 'model.json').exists():
    raise UserError(
        f'no weights of {name!r} come with this package: give a model_dir'
    )
  return os.fspath(folder)


def place_in_package(path: str | os.PathLike) -> pathlib.Path | None:
  """'flamingo_tiny' for that folder of the package, where nothing is written.

  Of a checkpoint in it 'flamingo_tiny/checkpoint_9'; None for other folders.
  """
  path = pathlib.Path(path).resolve()
  root = _FOLDER.resolve()
  return path.relative_to(root) if path.is_relative_to(root) else None

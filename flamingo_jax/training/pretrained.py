# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The weights of a new run: pretrained towers, the rest random (Flamingo §2.2).

A source of a tower is the MODEL_DIR of any run, or a folder with a tree that
Orbax wrote: the whole model, its frozen part, or the tower alone.
"""

import os

from etils import epath
from flax import traverse_util
import orbax.checkpoint as ocp

from flamingo_jax.errors import UserError
from flamingo_jax.training import checkpoint, model_dir as model_dir_lib
from flamingo_jax.training.model import FlamingoModel
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    TrainState,
    abstract_state,
    init_state,
)
from flamingo_jax.training.trainable import is_trainable
from flamingo_jax.training.tree_difference import check_same_tree
from flamingo_jax.typing import Array, Tree


class TrainStateInitializer:
  """Makes the state of a new run, every leaf where its rules put it."""

  def __init__(
      self,
      model: FlamingoModel,
      partitioner: Partitioner,
      vision_encoder: str = '',
      language_model: str = '',
  ):
    """Reads nothing yet.

    Args:
      model: what is trained.
      partitioner: says where every leaf goes.
      vision_encoder: the source of this tower; empty for random weights.
      language_model: likewise; it may be the same source.
    """
    self._model = model
    self._partitioner = partitioner
    self._vision_encoder = vision_encoder
    self._language_model = language_model

  def from_scratch(self, rng: Array) -> tuple[TrainState, Tree]:
    """(state, frozen_params) of step 0.

    Each device reads its own part of each array: no host ever holds a tower.

    Raises:
      UserError: a source is none, or is of another architecture or vocabulary.
    """
    frozen = abstract_state(self._model, self._partitioner)[1]
    pretrained = {}
    if self._vision_encoder:
      pretrained['vision_encoder'] = load_tower(
          self._vision_encoder, 'vision_encoder', frozen['vision_encoder']
      )
    if self._language_model:
      check_vocabulary(self._language_model, self._model)
      pretrained['decoder'] = load_tower(
          self._language_model, 'decoder', frozen['decoder']
      )
    return init_state(self._model, self._partitioner, rng, pretrained)


def load_tower(source: str | os.PathLike, name: str, abstract: Tree) -> Tree:
  """Reads one subtree of the frozen weights, strictly.

  Args:
    source: a MODEL_DIR or a folder that Orbax wrote.
    name: of the subtree in the whole model; the source may be this subtree.
    abstract: its shapes, shardings, and the dtypes to read it as.

  Raises:
    UserError: no such folder, or another architecture; says what differs.
  """
  folder = _tree_folder(source)
  stored = checkpoint.read_metadata(folder)
  whole = name in stored
  tower = stored[name] if whole else stored
  tower = traverse_util.unflatten_dict({
      path: leaf
      for path, leaf in traverse_util.flatten_dict(tower).items()
      if not is_trainable(path)
  })
  check_same_tree(abstract, tower, f'the {name} of {folder}')
  target = {name: abstract} if whole else abstract
  tree = checkpoint.read_tree(
      folder, target, ocp.checkpoint_utils.construct_restore_args(target)
  )
  return tree[name] if whole else tree


def check_vocabulary(source: str | os.PathLike, model: FlamingoModel) -> None:
  """Raises UserError if a run's folder says that its vocabulary is another."""
  folder = _tree_folder(source)
  run = folder.parent if folder.name == 'frozen' else folder
  if not (run / 'model.json').exists():
    return
  stored = model_dir_lib.read_model_json(run)['vocabulary_sha256']
  if stored != model.vocabulary.sha256:
    raise UserError(
        f'the language model in {run} was trained with another vocabulary than '
        f'{model.vocabulary.path}: use {run}/vocabulary.model'
    )


def _tree_folder(source: str | os.PathLike) -> epath.Path:
  source = model_dir_lib.run_folder(source)
  for folder in (source / 'frozen', source):
    if (folder / '_METADATA').exists():
      return folder
  raise UserError(
      f'{source} holds no weights: give the MODEL_DIR of a run, or a folder '
      'with a tree that Orbax wrote'
  )

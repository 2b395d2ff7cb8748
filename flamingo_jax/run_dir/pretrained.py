# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The weights of a new run: pretrained ones, the rest random (Flamingo §2.2).

A source of a tower is the MODEL_DIR of any run that has it, trained or frozen,
one of its checkpoints, or a folder with a tree that Orbax wrote: the whole
model, its frozen part, or the tower alone.
"""

from collections.abc import Iterator
import dataclasses
import json
import os
import sys
from typing import Any

from etils import epath
from flax import traverse_util
import jax

from flamingo_jax.data import storage
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.errors import UserError
from flamingo_jax.models import FlamingoConfig, int8
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import model_json
from flamingo_jax.run_dir import quantizing
from flamingo_jax.run_dir.differences import check_same_tree
from flamingo_jax.run_dir.fingerprint import fingerprint
from flamingo_jax.run_dir.regroup import grouped_as, regroup
from flamingo_jax.run_dir.steps import (
    checkpoint_folder,
    find_checkpoint,
    saved_steps,
)
from flamingo_jax.run_dir.weights import read_params
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import (
    TrainState,
    abstract_state,
    init_state,
)
from flamingo_jax.training.trainable import (
    is_trainable,
    is_update,
    merge_params,
)
from flamingo_jax.training.trained_model import TrainedModel
from flamingo_jax.typing import Array, Tree

# What of an architecture no weight's shape depends on, and another run may have
# otherwise: what is trained, and the pictures of encoders without places. Low-rank
# updates are compared by themselves.
_OF_A_RUN = (
    'trains_language_model', 'trains_vision_encoder', 'image_size', 'lora'
)

_MERGE = (
    'give the MODEL_DIR that flamingo convert --merge_lora makes of it, or the '
    'same updates'
)


class TrainStateInitializer:
  """Makes the state of a new run, every leaf where its rules put it."""

  def __init__(
      self,
      model: TrainedModel,
      partitioner: Partitioner,
      vision_encoder: str = '',
      language_model: str = '',
      weights: str = '',
      model_dir: str = '',
  ):
    """Reads nothing yet.

    Args:
      model: what is trained.
      partitioner: says where every leaf goes.
      vision_encoder: the source of this tower; empty for random weights.
      language_model: likewise; it may be the same source.
      weights: another run of this model, MODEL_DIR or one of its checkpoints,
        to take all weights from; the towers above replace theirs.
      model_dir: gets restored.json; empty: no file is written.
    """
    self._model = model
    self._partitioner = partitioner
    self._towers = {
        name: source
        for name, source in (
            ('vision_encoder', vision_encoder), ('decoder', language_model)
        )
        if source
    }
    self._weights = weights
    self._model_dir = model_dir

  def from_scratch(self, rng: Array) -> tuple[TrainState, Tree]:
    """(state, frozen_params) of step 0.

    Each device reads its own part of each array: no host ever holds a tower.
    What was read, from where, is told on stderr and in restored.json.

    Raises:
      UserError: a source is none, or is of another architecture or vocabulary.
    """
    updates = getattr(self._model.config, 'lora', LoraConfig())
    if updates.alone and not self._weights:
      raise UserError(
          'lora.alone trains low-rank updates and nothing else, and the resampler '
          'and the gated blocks have no weights: give INITIAL_WEIGHTS'
      )
    state, frozen = abstract_state(self._model, self._partitioner)
    whole = merge_params(state.params, frozen)
    pretrained, restored = {}, {}
    if self._weights:
      pretrained, place = self._read_run(whole)
      restored['weights'] = _describe(place, pretrained)
    for name, source in self._towers.items():
      if name not in whole:
        raise UserError(f'{source} is given for the {name} of a model that has '
                        'none: leave it out')
      if name == 'decoder':
        check_vocabulary(source, self._model)
      tower, place = load_tower(source, name, _without_added(whole[name]))
      restored[name] = _describe(place, tower)
      pretrained = _merge(pretrained, {name: tower})
    self._report(restored)
    self._warn_of_random(frozen)
    return init_state(self._model, self._partitioner, rng, pretrained)

  def _read_run(self, whole: Tree) -> tuple[Tree, epath.Path]:
    """All weights of another run, and the folder of its checkpoint.

    What that run froze and what this one does need not be the same.
    """
    folder, step = find_checkpoint(self._weights)
    config, place = self._model.config, checkpoint_folder(folder, step)
    but, in_floats = _OF_A_RUN, False
    if isinstance(config, FlamingoConfig):
      stored = model_json.stored_config(folder)
      if not _stored_updates(folder, stored, config).rank:
        whole = _without_updates(whole)
      dtype = getattr(stored, 'frozen_dtype', config.frozen_dtype)
      if in_floats := config.frozen_dtype == 'int8' != dtype:
        but = (*but, 'frozen_dtype')
    model_json.check_model_json(folder, config, self._model.vocabulary, but=but)
    if not in_floats:
      return read_params(folder, step, whole), place
    tree = read_params(folder, step, int8.in_floats(whole))
    return quantizing.quantized(tree, whole), place

  def _warn_of_random(self, frozen: Tree) -> None:
    """Says which frozen towers have no weights to be frozen."""
    random = [
        name for name in ('vision_encoder', 'decoder')
        if name in frozen and name not in self._towers
    ]
    if random and not self._weights and jax.process_index() == 0:
      print(
          f'warning: {" and ".join(random)}: random weights that stay frozen, '
          'between which little can be learned; give VISION_ENCODER and '
          'LANGUAGE_MODEL, or train the missing ones, too '
          '(configs/runs/pretrain_own.gin)', file=sys.stderr,
      )

  def _report(self, restored: dict[str, Any]) -> None:
    if not restored or jax.process_index() != 0:
      return
    for name, found in restored.items():
      print(
          f'{name}: {found["parameters"]:,} parameters from {found["source"]}, '
          f'fingerprint {found["fingerprint"]}',
          file=sys.stderr,
      )
    if self._model_dir:
      folder = as_folder(self._model_dir)
      folder.mkdir(parents=True, exist_ok=True)
      storage.write_atomically(
          folder / 'restored.json', json.dumps(restored, indent=2) + '\n'
      )


def load_tower(
    source: str | os.PathLike, name: str, abstract: Tree
) -> tuple[Tree, epath.Path]:
  """Reads one subtree of the whole model's weights, strictly.

  Args:
    source: a MODEL_DIR, a checkpoint of it, or a folder that Orbax wrote.
    name: of the subtree in the whole model; the source may be this subtree.
    abstract: its shapes, shardings, and the dtypes to read it as.

  Returns:
    The subtree, and the folder that it was in.

  Raises:
    UserError: no such folder, or another architecture; says what differs.
  """
  folder, path, stored = _find(source, name)
  if _without_updates(stored) != stored:
    raise UserError(
        f'the {name} of {folder} has low-rank updates, and what is asked for is '
        f'the tower alone: {_MERGE}'
    )
  stored = _without_added(stored)
  becomes_int8 = int8.has_scales(abstract) and not int8.has_scales(stored)
  # The layers of a language model may be in other groups.
  read_as = grouped_as(
      int8.in_floats(abstract) if becomes_int8 else abstract, stored
  )
  check_same_tree(read_as, stored, f'the {name} of {folder}')

  def read(part: Tree) -> Tree:
    for key in reversed(path):
      part = {key: part}
    return _at(checkpoint.read_tree(folder, part), path)

  if becomes_int8:
    return quantizing.read_by_parts(read, read_as, abstract), folder
  return regroup(read(read_as), abstract), folder


def check_vocabulary(source: str | os.PathLike, model: TrainedModel) -> None:
  """Raises UserError if a run's folder says that its vocabulary is another."""
  source = as_folder(source)
  run = source if (source / 'model.json').exists() else source.parent
  if not (run / 'model.json').exists():
    return
  stored = model_json.read_model_json(run)['vocabulary_sha256']
  if stored and stored != model.vocabulary.sha256:
    raise UserError(
        f'the language model in {run} was trained with another vocabulary than '
        f'{model.vocabulary.path}: use {run}/vocabulary.model'
    )


def _find(
    source: str | os.PathLike, name: str
) -> tuple[epath.Path, tuple[str, ...], Tree]:
  """The folder with a tower, its path in the tree there, and its metadata."""
  source = as_folder(source)
  if not source.exists():
    raise UserError(
        f'{source}, the source of the {name}, does not exist: give the '
        'MODEL_DIR of a run'
    )
  found = []
  for folder in _trees(source):
    tree = checkpoint.read_metadata(folder)
    for path in ((name,), ('params', name)):
      if (subtree := _at(tree, path)) is not None:
        return folder, path, subtree
    found += sorted(tree.get('params', tree))
  if found and (source / '_METADATA').exists() and 'step' not in found:
    return source, (), checkpoint.read_metadata(source)
  holds = f'no {name} (but {", ".join(found)})' if found else 'no weights'
  raise UserError(
      f'{source} holds {holds}: give the MODEL_DIR of a run that has it, or a '
      'folder with a tree that Orbax wrote'
  )


def _trees(source: epath.Path) -> Iterator[epath.Path]:
  """Folders with a saved tree: frozen weights, the newest state, the folder."""
  folders = [source / 'frozen', source / 'state', source]
  if steps := saved_steps(source):
    folders.insert(
        1, checkpoint_folder(source, steps[-1]) / 'state'
    )
  for folder in folders:
    if (folder / '_METADATA').exists():
      yield folder


def _at(tree: Tree, path: tuple[str, ...]) -> Tree | None:
  for key in path:
    if key not in tree:
      return None
    tree = tree[key]
  return tree


def _without_added(tower: Tree) -> Tree:
  """A tower without what Flamingo adds to it."""
  flat = traverse_util.flatten_dict(_without_updates(tower))
  return traverse_util.unflatten_dict(
      {path: leaf for path, leaf in flat.items() if not is_trainable(path)}
  )


def _without_updates(tree: Tree) -> Tree:
  flat = traverse_util.flatten_dict(tree)
  return traverse_util.unflatten_dict(
      {path: leaf for path, leaf in flat.items() if not is_update(path)}
  )


def _stored_updates(
    folder: epath.Path, config: Architecture, wanted: FlamingoConfig
) -> LoraConfig:
  """Those of a run whose weights a model begins with.

  Raises:
    UserError: they are others than the model's.
  """
  stored, wanted = getattr(config, 'lora', LoraConfig()), wanted.lora
  if stored.rank and dataclasses.replace(stored, alone=wanted.alone) != wanted:
    raise UserError(
        f'the model in {folder} has low-rank updates of rank {stored.rank}, '
        f'alpha {stored.alpha} and projections {list(stored.projections)}, and '
        f'this run has others: {_MERGE}'
    )
  return stored


def _merge(tree: Tree, other: Tree) -> Tree:
  """Both trees; leaves of the second replace those of the first."""
  flat = traverse_util.flatten_dict(tree) | traverse_util.flatten_dict(other)
  return traverse_util.unflatten_dict(flat)


def _describe(source: epath.Path, tree: Tree) -> dict[str, Any]:
  return {
      'source': os.fspath(source),
      'parameters': sum(x.size for x in jax.tree.leaves(tree)),
      'fingerprint': fingerprint(tree),
  }

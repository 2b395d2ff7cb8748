# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A run as safetensors: each parameter a tensor of the name of its path.

Beside model.json and the vocabulary; `flamingo convert` makes a run of it again.
"""

from collections.abc import Iterator
import functools
import math
import os
import pathlib

from etils import epath
from flax import traverse_util
import jax
import numpy as np
import orbax.checkpoint as ocp

from flamingo_jax.convert import rules
from flamingo_jax.convert import tower
from flamingo_jax.convert.chunk_file import Matrix
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.models import FlamingoConfig
from flamingo_jax.run_dir.differences import check_same_tree
from flamingo_jax.run_dir.model_json import read_model_json, stored_config
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.training.trainable import is_trained

_FILES = ('model.json', 'vocabulary.model')


class PlainTensors:
  """As `Outgoing`, of the parameters as they are.

  Attributes:
    tensors: dtype and shape of each by name.
    made_of: what it is of, by name, in words.
  """

  def __init__(self, weights: StoredWeights):
    """Reads no values."""
    self._weights = weights
    self._paths = {'/'.join(path): path for path in sorted(weights)}
    self.tensors = {
        name: (weights.dtype(path), weights.shape(path))
        for name, path in self._paths.items()
    }
    self.made_of = dict.fromkeys(self.tensors, 'itself')

  def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
    """All values with their tensor's name, those of one in their order."""
    for name, path in self._paths.items():
      for place in self._weights.parts(path):
        yield name, self._weights.read(path, place)
      self._weights.release()


def copy_files(source: os.PathLike, folder: pathlib.Path) -> None:
  """What says what the weights are for."""
  for name in _FILES:
    if (epath.Path(source) / name).exists():
      (epath.Path(source) / name).copy(folder / name)


def is_plain(folder: pathlib.Path) -> bool:
  """Whether a folder is one of these."""
  return (folder / _FILES[0]).exists() and any(folder.glob('*.safetensors*'))


def convert(folder: pathlib.Path, told: str, draft: pathlib.Path) -> str:
  """Writes the run that a folder was exported from; returns a report.

  Args:
    folder: with model.json and safetensors.
    told: what the folder is told as.
    draft: that is written in.

  Raises:
    UserError: the weights are damaged, or not those of the model.
  """
  architecture = read_model_json(folder)['architecture']
  tensors = Tensors(folder)
  leaves = {
      tuple(name.split('/')): (tensors.shape(name), tensors.dtype(name), 0)
      for name in tensors
  }
  trains = lambda path: True
  if 'decoder' in architecture:
    config = stored_config(folder)
    wanted = rules.abstract_tower(config, True)
    if isinstance(config, FlamingoConfig):
      trains = lambda path: is_trained(
          path, config.trained_towers, config.lora.alone
      )
    else:
      wanted = {('decoder', *path): x for path, x in wanted.items()}
    check_same_tree(
        traverse_util.unflatten_dict(wanted),
        traverse_util.unflatten_dict({
            path: jax.ShapeDtypeStruct(*leaf[:2]) for path, leaf in leaves.items()
        }), os.fspath(folder),
    )
  copy_files(folder, draft)
  trained = {path: x for path, x in leaves.items() if trains(path)}
  step = epath.Path(checkpoint_folder(draft, 0))
  _write(tower.Writer(
      step / 'state', ('params',), trained, step=np.array(0, np.int32)
  ), trained, tensors)
  if frozen := {k: x for k, x in leaves.items() if k not in trained}:
    _write(tower.Writer(epath.Path(draft) / 'frozen', (), frozen), frozen,
           tensors)
  with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
    checkpointer.save(step / 'progress', ocp.args.JsonSave({}))
  count = sum(math.prod(shape) for shape, *_ in leaves.values())
  return f'{count:,} parameters, {len(leaves)} tensors\nfrom {told}'


def _write(
    writer: tower.Writer, leaves: tower.Leaves, tensors: Tensors
) -> None:
  for path, (shape, _, _) in leaves.items():
    name = '/'.join(path)
    if len(shape) < 2:
      writer.write(path, (), tensors.read(name))
      continue
    # Never whole in memory, if it is a stack of layers.
    rows = shape[0], math.prod(shape[1:])
    writer.write(path, (), Matrix(rows, functools.partial(
        _blocks, tensors, name
    ), False))
  writer.finish()


def _blocks(tensors: Tensors, name: str, rows: int) -> Iterator[np.ndarray]:
  for block in tensors.blocks(name, rows):
    yield block.reshape(len(block), -1)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo convert --merge_lora`: low-rank updates become part of their maps."""

from collections.abc import Iterator
import dataclasses
import math
import os
import pathlib

from etils import epath
import ml_dtypes
import numpy as np
import orbax.checkpoint as ocp

from flamingo_jax import progress
from flamingo_jax.convert import tower
from flamingo_jax.convert.conversion import check_is_new, drafted
from flamingo_jax.convert.rules import Path
from flamingo_jax.convert.stored_weights import StoredWeights
from flamingo_jax.errors import UserError
from flamingo_jax.models import int8, lora
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.option_values import AnyNumber
from flamingo_jax.run_dir.model_json import (
    read_model_json,
    stored_config,
    stored_vocabulary,
    write_model_json,
)
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.training.trainable import is_trained, is_update


def merge(
    model_dir: str | os.PathLike, out: str | os.PathLike, step: AnyNumber = None
) -> str:
  """Writes the model without updates that computes what a run's does.

  It reads as the MODEL_DIR of a run does, and is there when all of it is.

  Args:
    model_dir: of a run with low-rank updates.
    out: a folder that is not there yet.
    step: of a checkpoint; None: the newest; 'best': as of fj.load.

  Returns:
    A report, which stands in its report.txt too.

  Raises:
    UserError: there is no such run, it has no updates, or the model cannot be
      written.
  """
  out = pathlib.Path(out).absolute()
  check_is_new(out)
  weights = StoredWeights(model_dir, step)
  config = stored_config(weights.folder)
  updates = getattr(config, 'lora', LoraConfig())
  if not updates.rank:
    raise UserError(
        f'{weights.folder} has no low-rank updates (lora.rank is 0): it is what '
        '--merge_lora would make'
    )
  words, told = (read(weights.folder) for read in (
      stored_vocabulary, read_model_json
  ))
  with drafted(out) as draft:
    dtype = config.frozen_dtype
    merged = dataclasses.replace(
        config, lora=LoraConfig(),
        frozen_dtype='bfloat16' if dtype == 'int8' else dtype,
    )
    write_model_json(draft, merged, words, told['max_media'], told['frames'])
    lost = _write(draft, weights, merged.trained_towers)
    report = (
        f'merged: updates of rank {updates.rank}, alpha {updates.alpha}, of '
        f'{len(lost)} linear maps; rounding to their dtypes loses '
        f'{100 * max(lost):.2g} % of an update at most\n'
        f'from step {weights.step} of {weights.folder}'
    )
    (draft / 'report.txt').write_text(f'{report}\n', encoding='utf-8')
  return report


def _write(
    draft: pathlib.Path, weights: StoredWeights, trained_towers: tuple[str, ...]
) -> list[float]:
  """Writes all weights; what of each update is lost, as a share of its norm."""
  leaves = {
      path: (weights.shape(path), _dtype(weights, path),
             len(next(weights.parts(path))))
      for path in weights if not is_update(path) and path[-1] != int8.SCALE
  }
  trains = lambda path: is_trained(path, trained_towers)
  step = epath.Path(checkpoint_folder(draft, 0))
  writers = {
      True: tower.Writer(
          step / 'state', ('params',),
          {k: x for k, x in leaves.items() if trains(k)},
          step=np.array(0, np.int32),
      ),
      False: tower.Writer(
          epath.Path(draft) / 'frozen', (),
          {k: x for k, x in leaves.items() if not trains(k)},
      ),
  }
  lost = []
  for path in progress.each(leaves, 'merging', 'parameters'):
    squares = np.zeros(2)
    for place, values, of_piece in _merged(weights, path):
      writers[trains(path)].write(path, place, values)
      squares += of_piece
    weights.release()
    if squares[1]:
      lost.append(math.sqrt(squares[0] / squares[1]))
  for writer in writers.values():
    writer.finish()
  with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as checkpointer:
    checkpointer.save(step / 'progress', ocp.args.JsonSave({}))
  return lost


def _dtype(weights: StoredWeights, path: Path) -> np.dtype:
  """That a parameter is written as; no sum has the scales of one of 8 bits."""
  dtype = weights.dtype(path)
  return np.dtype(ml_dtypes.bfloat16) if dtype == np.int8 else dtype


def _merged(
    weights: StoredWeights, path: Path
) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
  """Pieces: their places, values, and squares of what is lost, of the update."""
  of_update = [(*path[:-1], name) for name in lora.LEAVES]
  is_updated = path[-1] == 'kernel' and of_update[-1] in set(weights)
  for place in weights.parts(path):
    values, squares = weights.read(path, place), np.zeros(2)
    if values.dtype == np.int8:
      scale = weights.read((*path[:-1], int8.SCALE))[place]
      inputs = tuple(range(scale.ndim - 1, values.ndim - 1))
      values = values * np.expand_dims(scale, inputs)
    if is_updated:
      update = lora.product(*(
          weights.read(name)[place] for name in of_update
      )).reshape(values.shape)
      whole = values.astype(np.float32) + update
      values = whole.astype(_dtype(weights, path))
      lost = values.astype(np.float32) - whole
      squares = np.array([np.sum(np.square(x, dtype=np.float64))
                          for x in (lost, update)])
    yield place, values, squares

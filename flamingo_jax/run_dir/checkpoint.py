# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: what training changes at each step, frozen weights once.

  MODEL_DIR/frozen/                    what is not trained, if anything is not
  MODEL_DIR/checkpoint_<step>/state/          step, params, opt_state
                             /data_iterator/  where every dataset stands
                             /progress/       sums behind the next log line

A step's folder appears under its name when all of it is on disk, so a run that
is killed at any moment leaves whole checkpoints only. t5x looks for folders of
these names, and both drivers write and read the same ones.
"""

from collections.abc import Iterator, Sequence
import contextlib
import dataclasses
import os
from typing import Any, Protocol, runtime_checkable

from etils import epath
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from flamingo_jax.data import storage
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import damage
from flamingo_jax.run_dir.best import best_step
from flamingo_jax.run_dir.differences import check_same_tree
from flamingo_jax.run_dir.leftovers import remove_leftovers
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.run_dir.steps import checkpoint_folder
from flamingo_jax.typing import Tree


@dataclasses.dataclass
class SaveCheckpointConfig:
  """When a run saves, and how much of it."""

  period: int | None = None  # steps between checkpoints; None: only the last
  # How many of the newest to keep, beside that which knows validation data best;
  # None: all.
  keep: int | None = None
  save_dataset: bool = True  # needed to continue with the very next example


@dataclasses.dataclass
class RestoreCheckpointConfig:
  """What a new run starts from; an interrupted one always continues."""

  path: str | Sequence[str] = ()  # another run's MODEL_DIR; () is from scratch


@dataclasses.dataclass
class CheckpointConfig:
  """Both, under t5x's names."""

  save: SaveCheckpointConfig = dataclasses.field(
      default_factory=SaveCheckpointConfig
  )
  restore: RestoreCheckpointConfig = dataclasses.field(
      default_factory=RestoreCheckpointConfig
  )


@runtime_checkable
class DataIterator(Protocol):
  """The part of clu's DatasetIterator that is needed here."""

  def save(self, filename: Any) -> None:
    """Writes where it stands."""

  def restore(self, filename: Any) -> None:
    """Goes there."""


class _IteratorHandler(ocp.CheckpointHandler):
  """Lets Orbax commit a data iterator's file together with the state.

  All processes stand at the same batch, so one file does for any number.
  """

  def save(self, directory, args):
    if jax.process_index() == 0:
      args.iterator.save(directory / 'place.json')

  def restore(self, directory, args):
    args.iterator.restore(directory / 'place.json')


@ocp.args.register_with_handler(
    _IteratorHandler, for_save=True, for_restore=True
)
@dataclasses.dataclass
class _IteratorArgs(ocp.args.CheckpointArgs):
  """Names the iterator that is saved or restored in place."""

  iterator: DataIterator


@dataclasses.dataclass(frozen=True)
class _NewestAndBest(checkpoint_managers.PreservationPolicy):
  """Which checkpoints of a run are kept."""

  model_dir: epath.Path
  keep: int | None  # of the newest; None: all

  def should_preserve(self, checkpoints, *, context):
    newest = checkpoint_managers.LatestN(self.keep)
    kept = newest.should_preserve(checkpoints, context=context)
    if all(kept):
      return kept
    steps = [found.step for found in checkpoints]
    best = best_step(self.model_dir, steps)
    return [keep or step == best for keep, step in zip(kept, steps)]


class Checkpoints:
  """The checkpoints of one run, saved in the background."""

  def __init__(self, model_dir: str | os.PathLike, keep: int | None = None):
    """Opens, and makes if need be, MODEL_DIR.

    Args:
      model_dir: the run's folder.
      keep: how many of the newest checkpoints to keep, beside the best; None
        keeps all.
    """
    self.directory = as_folder(model_dir)
    self._clean()
    self._manager = ocp.CheckpointManager(
        self.directory,
        options=ocp.CheckpointManagerOptions(
            preservation_policy=_NewestAndBest(self.directory, keep),
            step_prefix='checkpoint',
        ),
        item_handlers={
            'state': ocp.PyTreeCheckpointHandler(),
            'data_iterator': _IteratorHandler(),
            'progress': ocp.JsonCheckpointHandler(),
        },
    )

  def latest_step(self) -> int | None:
    """The newest step that is whole on disk."""
    return self._manager.latest_step()

  def save(
      self,
      step: int,
      state: Any,
      progress: dict[str, Any],
      iterator: DataIterator | None,
  ) -> None:
    """Starts saving; returns when `state` may be donated again.

    Args:
      step: names the checkpoint; nothing happens if it is saved already.
      state: a TrainState.
      progress: small, for JSON.
      iterator: the training data's, standing after batch `step`.

    Raises:
      UserError: the disk or the bucket takes no more, now or during the save
        before this one.
    """
    if step in self._manager.all_steps():
      return
    items = {
        'state': ocp.args.PyTreeSave(_as_dict(state)),
        'progress': ocp.args.JsonSave(progress),
    }
    if iterator is not None:
      items['data_iterator'] = _IteratorArgs(iterator)
    with self._one_sentence():
      self._manager.save(step, args=ocp.args.Composite(**items))

  def check(self) -> None:
    """Raises UserError if a save in the background was refused."""
    with self._one_sentence():
      self._manager.check_for_errors()

  def close(self) -> None:
    """Waits until the last checkpoint is whole; raises as `check` does."""
    with self._one_sentence():
      self._manager.wait_until_finished()
      self._manager.close()

  def _clean(self) -> None:
    """Removes what an interrupted save left behind."""
    if jax.process_index() == 0:
      remove_leftovers(self.directory, '*')

  @contextlib.contextmanager
  def _one_sentence(self) -> Iterator[None]:
    try:
      with told_once():
        yield
    except Exception as error:
      refusal = storage.explain(error, self.directory)
      if refusal is None:
        raise
      self._clean()
      last = self._manager.latest_step()
      raise UserError(
          f'{refusal.reason}: a checkpoint could not be saved in '
          f'{self.directory}; {refusal.remedy} and run the same command again, '
          + ('it starts over' if last is None else
             f'it continues from step {last}')
      ) from error


def check_are_ours(use_orbax: bool) -> None:
  """Raises UserError if a program is told to use t5x's own checkpoints."""
  if use_orbax:
    raise UserError(
        'use_orbax must be False: checkpoints are those of this package, which '
        'hold the frozen weights once'
    )


def save_frozen(model_dir: str | os.PathLike, frozen_params: Tree) -> None:
  """Writes MODEL_DIR/frozen, replacing one that is there."""
  if not frozen_params:
    return
  path = as_folder(model_dir) / 'frozen'
  try:
    with (
        told_once(),
        ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer,
    ):
      checkpointer.save(path, ocp.args.PyTreeSave(frozen_params), force=True)
  except Exception as error:
    refusal = storage.explain(error, path)
    if refusal is None:
      raise
    remove_leftovers(path.parent, 'frozen')
    raise UserError(
        f'{refusal.reason}: the frozen weights could not be saved in {path}; '
        f'{refusal.remedy} and run the same command again'
    ) from error


def restore_frozen(model_dir: str | os.PathLike, abstract: Tree) -> Tree:
  """Reads MODEL_DIR/frozen; UserError if it is another model's."""
  if not abstract:
    return {}
  path = as_folder(model_dir) / 'frozen'
  check_same_tree(abstract, read_metadata(path), os.fspath(path))
  return read_tree(path, abstract)


def restore_step(
    model_dir: str | os.PathLike,
    step: int,
    abstract: Any,
    iterator: DataIterator | None,
) -> tuple[Any, dict[str, Any]]:
  """Reads checkpoint `step` and moves `iterator` to where it stood.

  Args:
    model_dir: the folder of a run.
    step: one of its `saved_steps`.
    abstract: the TrainState's shapes, dtypes and shardings; without an
      opt_state (None), that of the checkpoint is not read.
    iterator: the training data's; None leaves the data at its start.

  Returns:
    (state, progress).

  Raises:
    UserError: the checkpoint holds another model; says what differs.
  """
  folder = checkpoint_folder(model_dir, step)
  damage.check(folder, damage.of_step(folder))
  target = _as_dict(abstract)
  check_same_tree(
      target['params'], read_metadata(folder / 'state')['params'], f'{folder}'
  )
  if iterator is not None and not (folder / 'data_iterator').exists():
    raise UserError(
        f'{folder} does not say where its data stood: copy '
        'data_iterator back, or, if it was saved with save_dataset = False, '
        'set that again'
    )
  state = read_tree(folder / 'state', target)
  if iterator is not None:
    with damage.reading(folder / 'data_iterator'):
      _IteratorHandler().restore(
          folder / 'data_iterator', _IteratorArgs(iterator)
      )
  with damage.reading(folder / 'progress'):
    progress = ocp.JsonCheckpointHandler().restore(folder / 'progress')
  return abstract.replace(**state), progress


def _as_dict(state: Any) -> dict[str, Any]:
  """A TrainState as the dict that is saved, without what is None."""
  parts = {
      'step': state.step, 'params': state.params, 'opt_state': state.opt_state
  }
  return {name: part for name, part in parts.items() if part is not None}


def read_metadata(path: epath.Path) -> Any:
  """The tree of a saved item, with shapes and dtypes for leaves.

  Raises:
    UserError: no such folder, or files in it are gone or cut short.
  """
  if not path.is_dir():
    raise UserError(f'{path} does not exist: the run is not complete')
  damage.check(path, damage.of_tree(path))
  with damage.reading(path):
    return ocp.PyTreeCheckpointHandler().metadata(path).tree


def read_tree(
    path: epath.Path, target: Tree, as_numpy: bool = False
) -> Tree:
  """Those leaves of a saved item that `target` has.

  Args:
    path: of the item.
    target: shapes, dtypes and shardings to read leaves as.
    as_numpy: whether to read arrays of NumPy, as they were saved.

  Raises:
    UserError: one cannot be read.
  """
  restore_args = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target
  ) if as_numpy else ocp.checkpoint_utils.construct_restore_args(target)
  args = ocp.args.PyTreeRestore(target, restore_args, partial_restore=True)
  with damage.reading(path):
    return ocp.PyTreeCheckpointHandler().restore(path, args=args)

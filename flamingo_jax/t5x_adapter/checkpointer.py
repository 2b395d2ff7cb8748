# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""t5x's checkpoints in the built-in driver's form, frozen weights once."""

from collections.abc import Sequence
import dataclasses
import os
from typing import Any

from clu.data import dataset_iterator as clu_iterator
import jax
from jax.sharding import NamedSharding, PartitionSpec
from t5x import checkpoints, train_state as t5x_train_state, utils

from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir.steps import find_checkpoint, saved_steps
from flamingo_jax.t5x_adapter.partitioning import Partitioner
from flamingo_jax.t5x_adapter.train_state import from_t5x, to_t5x
from flamingo_jax.training.train_step import TrainState
from flamingo_jax.typing import Tree


class Checkpointer:
  """t5x's `checkpointer_cls`; needs `train_script.train.use_orbax = False`."""

  def __init__(
      self,
      train_state: t5x_train_state.TrainState,
      partitioner: Partitioner,
      checkpoints_dir: str | os.PathLike,
      dataset_iterator: clu_iterator.PeekableDatasetIterator | None = None,
      *,
      keep: int | None = None,
      save_dtype: Any = None,
      restore_dtype: Any = None,
      keep_dataset_checkpoints: int | None = None,
  ):
    """Touches no file yet.

    Args:
      train_state: shapes and dtypes of the run's state.
      partitioner: says where every leaf goes.
      checkpoints_dir: MODEL_DIR; '' if nothing will be saved.
      dataset_iterator: the training data's; None: it is not saved or restored.
      keep: how many of the newest checkpoints to keep; None keeps all.
      save_dtype: not used: every leaf keeps its dtype.
      restore_dtype: not used, likewise.
      keep_dataset_checkpoints: not used: a checkpoint is kept as a whole.
    """
    del save_dtype, restore_dtype, keep_dataset_checkpoints
    self._train_state = train_state
    self._partitioner = partitioner
    self._directory = checkpoints_dir
    self._iterator = dataset_iterator
    self._keep = keep

  def save(
      self,
      train_state: t5x_train_state.TrainState,
      state_transformation_fns: Sequence[Any] = (),
      *,
      concurrent_gb: int = 128,
  ) -> None:
    """Saves, and returns when all of it is on disk.

    Args:
      train_state: of the step that names the checkpoint; nothing happens if
        that step is saved already.
      state_transformation_fns: must be empty.
      concurrent_gb: not used.

    Raises:
      UserError: the disk or the bucket takes no more.
    """
    del concurrent_gb
    assert not state_transformation_fns
    state, frozen_params = from_t5x(train_state)
    step = int(state.step)
    steps = saved_steps(self._directory)
    if step in steps:
      return
    if not steps:
      checkpoint.save_frozen(self._directory, frozen_params)
      self._undo_peek()
    manager = checkpoint.Checkpoints(self._directory, self._keep)
    manager.save(step, state, {}, self._iterator)
    manager.close()

  def restore(
      self,
      path: str | os.PathLike,
      state_transformation_fns: Sequence[Any] = (),
      fallback_state: Any = None,
      lazy_parameters: bool = False,
  ) -> t5x_train_state.TrainState:
    """Reads a run's checkpoint together with the run's frozen weights.

    Args:
      path: MODEL_DIR/checkpoint_<step> of either driver, or MODEL_DIR, for the
        newest.
      state_transformation_fns: must be empty.
      fallback_state: must be None.
      lazy_parameters: must be False.

    Raises:
      UserError: no checkpoint, or one of another architecture.
    """
    assert not state_transformation_fns and fallback_state is None
    assert not lazy_parameters
    model_dir, step = find_checkpoint(path)
    abstract, abstract_frozen = self._abstract()
    frozen_params = checkpoint.restore_frozen(model_dir, abstract_frozen)
    state, _ = checkpoint.restore_step(
        model_dir, step, abstract, self._iterator
    )
    return to_t5x(self._train_state, state, frozen_params)

  def _abstract(self) -> tuple[TrainState, Tree]:
    """Shapes, dtypes and shardings of the state and of the frozen weights."""
    axes = from_t5x(self._partitioner.get_mesh_axes(self._train_state))
    mesh = self._partitioner.mesh
    return jax.tree.map(
        # An evaluation's state has no optimizer.
        lambda spec, x: None if x is None else jax.ShapeDtypeStruct(
            x.shape, x.dtype, sharding=NamedSharding(
                mesh, PartitionSpec() if spec is None else spec
            )
        ),
        axes,
        from_t5x(self._train_state),
        is_leaf=lambda x: x is None or isinstance(x, PartitionSpec),
    )

  def _undo_peek(self) -> None:
    """Puts a new run's data back to the start.

    Before the first step t5x reads one batch ahead and saves a checkpoint,
    which would then begin with the second batch.
    """
    if self._iterator is not None:
      self._iterator.peek_async().result()
      self._iterator.reset()


CheckpointConfig = utils.CheckpointConfig


@dataclasses.dataclass
class SaveCheckpointConfig(utils.SaveCheckpointConfig):
  """t5x's, with our checkpoints."""

  checkpointer_cls: checkpoints.CheckpointerConstructor = Checkpointer


@dataclasses.dataclass
class RestoreCheckpointConfig(utils.RestoreCheckpointConfig):
  """t5x's, with our checkpoints."""

  path: str | Sequence[str] = ()
  checkpointer_cls: checkpoints.CheckpointerConstructor = Checkpointer

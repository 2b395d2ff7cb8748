# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a run reports: sums over steps, metrics.jsonl, TensorBoard."""

import collections
from collections.abc import Mapping
import contextlib
import json
import os
import time

from clu import metric_writers
from etils import epath
from flax import traverse_util
import jax
import numpy as np

from flamingo_jax.data import storage
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.errors import UserError
from flamingo_jax.typing import Tree


class Window:
  """Sums of the steps since the last log line.

  The sums that depend on the model are saved with every checkpoint, so the
  first line after a resume is that of an uninterrupted run to the last bit.
  """

  def __init__(self, loss_weights: Mapping[str, float]):
    """An empty window.

    Args:
      loss_weights: the paper's lambda of each dataset.
    """
    self._loss_weights = loss_weights
    self.clear()

  def clear(self) -> None:
    """Forgets everything: a log line has been written."""
    self._sums: dict[str, float] = collections.defaultdict(float)
    self._seconds: dict[str, float] = collections.defaultdict(float)
    self._timed: dict[str, float] = collections.defaultdict(float)

  def add(self, metrics: Mapping[str, float]) -> None:
    """Adds one step's metrics, those that `train_step` returns."""
    for key, value in metrics.items():
      self._sums[key] += value
    self._sums['steps'] += 1
    self._timed['steps'] += 1
    for key in ('tokens', 'images'):
      if key in metrics:
        self._timed[key] += metrics[key]

  def add_seconds(self, name: str, seconds: float) -> None:
    """Adds wall time: 'data' of waiting for batches, or 'other'."""
    self._seconds[name] += seconds

  def state(self) -> dict[str, float]:
    """For the checkpoint; floats survive JSON exactly."""
    return dict(self._sums)

  def restore(self, state: Mapping[str, float]) -> None:
    """Takes up the sums of an interrupted run; its timings are lost."""
    self.clear()
    self._sums.update(state)

  def summary(self) -> dict[str, float]:
    """The means since the last line.

    Returns:
      loss/<dataset> in nats per target token, loss (their sum weighted by
      lambda), grad_norm before clipping; step_seconds, tokens_per_second
      (targets with a loss weight), images_per_second (media that are not
      padding, if there are media) and data_wait_share, the share of time
      without a batch.
    """
    result = {}
    for name in sorted(self._loss_weights):
      # A dataset that had no turn (round_robin) has no loss to report.
      if weight := self._sums.get(f'{name}/weight', 0.0):
        result[f'loss/{name}'] = self._sums[f'{name}/loss_sum'] / weight
    loss = sum(
        self._loss_weights[key.removeprefix('loss/')] * value
        for key, value in result.items()
    )
    result = {'loss': loss} | result
    result['grad_norm'] = self._sums['grad_norm'] / self._sums['steps']
    seconds = max(sum(self._seconds.values()), 1e-9)
    result['step_seconds'] = seconds / max(self._timed['steps'], 1)
    for key in ('tokens', 'images'):
      if key in self._timed:
        result[f'{key}_per_second'] = self._timed[key] / seconds
    result['data_wait_share'] = self._seconds['data'] / seconds
    return result


class Stopwatch:
  """Seconds since it was last read."""

  def __init__(self):
    """Starts it."""
    self._since = time.perf_counter()

  def read(self) -> float:
    """Seconds since the last read, which it starts anew."""
    now = time.perf_counter()
    seconds, self._since = now - self._since, now
    return seconds


def gate_values(params: Tree) -> dict[str, float]:
  """tanh of every gate, in the order of the layers (Flamingo figure 6).

  Where each channel has a gate, the mean of their sizes.

  Args:
    params: the trainable tree; fetched from the devices.

  Returns:
    gate/attn/<block> and gate/ffw/<block>, blocks counted from 00.
  """
  gates: dict[str, list[float]] = {'attn_gate': [], 'ffw_gate': []}
  # 'groups' sorts before 'tail', which is the last group of the decoder.
  flat = traverse_util.flatten_dict(params)
  for path, leaf in sorted(flat.items()):
    if path[-1] not in gates:
      continue
    values = np.tanh(np.asarray(leaf, np.float32))
    norm = flat.get((*path[:-1], 'attn_norm', 'scale'))
    if norm is not None and values.ndim == norm.ndim:
      values = np.abs(values).mean(axis=-1)
    gates[path[-1]].extend(values.ravel())
  return {
      f'gate/{kind.removesuffix("_gate")}/{block:02d}': float(value)
      for kind, values in gates.items()
      for block, value in enumerate(values)
  }


class MetricsLog:
  """metrics.jsonl, one JSON object per logged step, and TensorBoard.

  Only the first process of a job writes them.
  """

  def __init__(self, model_dir: str | os.PathLike, step: int):
    """Opens the log of a run that stands at `step`.

    Lines after `step` are dropped, and a line that was cut short too: an
    interrupted run is about to write them again.

    Args:
      model_dir: the run's folder.
      step: updates done.
    """
    self.path = as_folder(model_dir) / 'metrics.jsonl'
    self._writes = jax.process_index() == 0
    self.tensorboard = metric_writers.MultiWriter([])
    if not self._writes:
      return
    if self.path.exists():
      storage.write_atomically(self.path, _lines_until(self.path, step))
    self.tensorboard = metric_writers.SummaryWriter(
        os.fspath(as_folder(model_dir) / 'tensorboard')
    )

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Appends one line; it is in the file when this returns.

    Raises:
      UserError: the disk or the bucket takes no more.
    """
    if not self._writes:
      return
    try:
      with self.path.open('a') as file:
        file.write(json.dumps({'step': step} | dict(values)) + '\n')
      self.tensorboard.write_scalars(step, values)
      self.tensorboard.flush()
    except Exception as error:
      refusal = storage.explain(error, self.path)
      if refusal is None:
        raise
      raise UserError(
          f'{refusal.reason}: step {step} could not be logged in {self.path}; '
          f'{refusal.remedy} and run the same command again'
      ) from error

  def close(self) -> None:
    """Closes what is open."""
    self.tensorboard.close()


def _lines_until(path: epath.Path, step: int) -> str:
  """The whole lines of a log that are not after `step`."""
  kept = []
  text = path.read_bytes().decode('utf-8', 'replace')
  for line in text.splitlines(keepends=True):
    with contextlib.suppress(ValueError, KeyError, TypeError):  # no entry
      if line.endswith('\n') and json.loads(line)['step'] <= step:
        kept.append(line)
  return ''.join(kept)

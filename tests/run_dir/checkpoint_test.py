# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Saving and restoring: bit for bit, strictly, and with a full disk."""

import contextlib
import pathlib
import resource

import chex
import jax
import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import best
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import steps
from flamingo_jax.run_dir import weights
from flamingo_jax.run_dir.quiet import told_once
from flamingo_jax.training.train_step import abstract_state, init_state
from flamingo_jax.training.trainable import merge_params


class Counter:
  """A data iterator that counts."""

  def __init__(self, place=0):
    self.place = place

  def save(self, filename):
    pathlib.Path(filename).write_text(str(self.place))

  def restore(self, filename):
    self.place = int(pathlib.Path(filename).read_text())


@pytest.fixture(scope='module')
def new_run(model, one_device):
  return init_state(model, one_device, jax.random.PRNGKey(3))


def save(folder, state, step=7, place=0):
  checkpoints = checkpoint.Checkpoints(folder)
  checkpoints.save(step, state, {'sum': 0.1}, Counter(place))
  checkpoints.close()


def test_a_checkpoint_is_what_was_saved(tmp_path, model, one_device, new_run):
  state, frozen_params = new_run
  save(tmp_path, state, place=42)
  checkpoint.save_frozen(tmp_path, frozen_params)
  abstract, abstract_frozen = abstract_state(model, one_device)
  iterator = Counter()
  restored, progress = checkpoint.restore_step(
      tmp_path, 7, abstract, iterator
  )
  chex.assert_trees_all_equal(restored, state)
  assert jax.tree.map(lambda x: x.sharding, restored) == jax.tree.map(
      lambda x: x.sharding, abstract
  )
  assert (progress, iterator.place) == ({'sum': 0.1}, 42)
  chex.assert_trees_all_equal(
      checkpoint.restore_frozen(tmp_path, abstract_frozen), frozen_params
  )


def test_only_what_training_changes_is_in_a_step(tmp_path, new_run):
  state, _ = new_run
  save(tmp_path, state)
  stored = sum(
      f.stat().st_size for f in (tmp_path / 'checkpoint_7').rglob('d/*')
  )
  leaves = jax.tree.leaves(state)
  # Random float32 hardly compresses; moments of 0 do.
  assert stored < 2 * sum(x.nbytes for x in leaves)
  metadata = (tmp_path / 'checkpoint_7/state/_METADATA').read_text()
  assert 'new_token_embedding' in metadata
  assert 'token_embedder' not in metadata and 'vision' not in metadata


def test_inference_reads_the_whole_model_as_numpy(tmp_path, new_run):
  state, frozen_params = new_run
  checkpoint.save_frozen(tmp_path, frozen_params)
  save(tmp_path, state, step=2)
  save(tmp_path, state.replace(
      params=jax.tree.map(lambda x: np.add(x, 1), state.params)
  ), step=10)
  params, step = weights.load_params(tmp_path)
  assert step == 10
  first, step = weights.load_params(tmp_path, step=2)
  assert step == 2
  chex.assert_trees_all_equal(
      first, merge_params(state.params, frozen_params)
  )
  gate = params['decoder']['groups']['xattn']['attn_gate']
  assert isinstance(gate, np.ndarray) and np.all(gate == 1)
  with pytest.raises(UserError, match='no checkpoint of step 5.*2, 10'):
    weights.load_params(tmp_path, step=5)
  with pytest.raises(UserError, match='no checkpoint in'):
    weights.load_params(tmp_path / 'elsewhere')


def test_the_newest_checkpoints_are_kept(tmp_path, new_run):
  checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
  for step in (1, 2, 3, 4):
    checkpoints.save(step, new_run[0], {}, Counter())
  checkpoints.close()
  found = {p.name for p in tmp_path.iterdir()}
  assert found == {'checkpoint_3', 'checkpoint_4'}


def test_the_best_checkpoint_is_kept_and_found(tmp_path, new_run):
  checkpoints = checkpoint.Checkpoints(tmp_path, keep=1)
  for step, nats in ((1, 3.0), (2, 2.0), (3, 2.5), (4, None), (5, 2.1)):
    if nats is not None:
      best.note_score(tmp_path, 'pages/nats_per_token', step, nats)
    checkpoints.save(step, new_run[0], {}, Counter())
  checkpoints.close()
  assert steps.saved_steps(tmp_path) == [2, 5]
  assert steps.find_step(tmp_path) == 5
  assert steps.find_step(tmp_path, 'best') == 2
  assert steps.find_checkpoint(tmp_path / 'checkpoint_best') == (tmp_path, 2)
  (tmp_path / 'best.json').write_text('{"best": 2}')
  with pytest.raises(UserError, match='best.json is damaged'):
    steps.find_step(tmp_path, 'best')
  (tmp_path / 'best.json').unlink()
  with pytest.raises(UserError, match='--validation=FILE.jsonl'):
    steps.find_step(tmp_path, 'best')


def test_another_models_parameters_are_refused_by_name(
    tmp_path, model, one_device, new_run
):
  state, _ = new_run
  params = jax.tree.map(lambda x: x, state.params)
  params['decoder']['new_token_embedding'] = np.zeros((1, 5), np.float32)
  params['extra'] = np.zeros(2, np.float32)
  del params['decoder']['groups']['xattn']['attn_gate']
  save(tmp_path, state.replace(params=params))
  with pytest.raises(UserError) as error:
    checkpoint.restore_step(
        tmp_path, 7, abstract_state(model, one_device)[0], Counter()
    )
  assert str(error.value).endswith(
      'checkpoint_7 is of another architecture: '
      'decoder/groups/xattn/attn_gate is missing; '
      'decoder/new_token_embedding has shape (1, 5) where the model has '
      '(1, 16); extra is not in the model'
  )


@contextlib.contextmanager
def little_disk(size):
  """No file may grow beyond `size`: writes fail as on a full disk."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# The state is written in the background, the place in the data at once.
@pytest.mark.parametrize('size, place', [(20_000, 0), (200_000, '9' * 300_000)])
def test_a_full_disk_leaves_earlier_checkpoints_whole(
    tmp_path, model, one_device, new_run, size, place, capfd, caplog
):
  state, _ = new_run
  save(tmp_path, state, step=1)
  checkpoints = checkpoint.Checkpoints(tmp_path)
  with told_once(), little_disk(size), pytest.raises(UserError) as error:
    checkpoints.save(2, state, {}, Counter(place))
    checkpoints.close()
  assert 'the disk is full' in str(error.value)
  assert 'continues from step 1' in str(error.value)
  assert not capfd.readouterr().err  # of the threads that write
  assert not [x for x in caplog.records if x.levelname == 'ERROR']
  assert [p.name for p in tmp_path.iterdir()] == ['checkpoint_1']
  again = checkpoint.Checkpoints(tmp_path)
  assert again.latest_step() == 1
  restored, _ = checkpoint.restore_step(
      tmp_path, 1, abstract_state(model, one_device)[0], Counter()
  )
  chex.assert_trees_all_equal(restored, state)


def test_frozen_weights_on_a_full_disk(tmp_path, new_run, capfd):
  with little_disk(20_000), pytest.raises(UserError, match='disk is full'):
    checkpoint.save_frozen(tmp_path, new_run[1])
  assert not list(tmp_path.iterdir()) and not capfd.readouterr().err

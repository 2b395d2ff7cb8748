# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A damaged checkpoint is one sentence: which file, and what is whole."""

import json
import shutil

from etils import epath
import jax
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import damage
from flamingo_jax.run_dir import weights
from flamingo_jax.training.train_step import abstract_state, init_state
from tests.run_dir.checkpoint_test import Counter


@pytest.fixture(scope='module')
def run(tmp_path_factory, model, one_device):
  """A MODEL_DIR with checkpoints 1, 2 and 3."""
  folder = tmp_path_factory.mktemp('run')
  state, frozen_params = init_state(model, one_device, jax.random.PRNGKey(3))
  checkpoint.save_frozen(folder, frozen_params)
  checkpoints = checkpoint.Checkpoints(folder)
  for step in (1, 2, 3):
    checkpoints.save(step, state, {'sum': 0.1}, Counter(step))
  checkpoints.close()
  return folder


@pytest.fixture(scope='module')
def abstract(model, one_device):
  return abstract_state(model, one_device)[0]


@pytest.fixture
def copy(run, tmp_path):
  return shutil.copytree(run, tmp_path / 'run')


def gone(path):
  path.unlink()


def empty(path):
  path.write_bytes(b'')


def cut(path):
  path.write_bytes(path.read_bytes()[:50])


def largest(folder):
  """Of the files of values, by what something still refers to."""
  state = folder if (folder / 'manifest.ocdbt').exists() else folder / 'state'
  sizes = damage._sizes(epath.Path(state))
  return state / max((n for n in sizes if 'process' in n), key=sizes.get)


def sentence(read):
  with pytest.raises(UserError) as error:
    read()
  assert '\n' not in str(error.value)
  return str(error.value)


@pytest.mark.parametrize('how', [gone, empty, cut])
@pytest.mark.parametrize('name', [
    '_METADATA', '_sharding', 'manifest.ocdbt', 'd/*', 'values'
])
def test_the_file_and_what_is_whole_are_named(
    copy, abstract, name, how, capfd
):
  if (name, how) == ('_sharding', gone):
    pytest.skip('nothing is missing without it')
  state = copy / 'checkpoint_3' / 'state'
  (file,) = [largest(state)] if name == 'values' else state.glob(name)
  how(file)
  cut(largest(copy / 'checkpoint_1'))
  expected = (
      f'copy it back, or remove {copy}/checkpoint_3 and go on from step 2, '
      f'which is {copy}/checkpoint_2 (whole are those of steps 2)'
  )
  for read in (
      lambda: checkpoint.restore_step(copy, 3, abstract, Counter()),
      lambda: weights.load_params(copy),
  ):
    told = sentence(read)
    assert told.startswith(f'{file} is damaged (') and told.endswith(expected)
  assert not capfd.readouterr().err


@pytest.mark.parametrize('file, text', [
    ('progress/metadata', None), ('progress/metadata', ''),
    ('progress/metadata', '[]'), ('progress/metadata', '{"sum": '),
    ('data_iterator/place.json', None), ('data_iterator/place.json', ''),
])
def test_what_training_alone_reads(copy, abstract, file, text):
  path = copy / 'checkpoint_3' / file
  path.write_text(text) if text is not None else path.unlink()
  told = sentence(
      lambda: checkpoint.restore_step(copy, 3, abstract, Counter())
  )
  assert told.startswith(f'{path} is damaged (')
  assert 'go on from step 2' in told and 'whole are those of steps 1, 2' in told


def test_without_frozen_weights_no_checkpoint_helps(copy, model, one_device):
  file = largest(copy / 'frozen')
  cut(file)
  told = sentence(lambda: weights.restore_params(model, one_device, copy, 3))
  assert told.startswith(f'{file} is damaged (it has ')
  assert told.endswith('or train anew in another MODEL_DIR')
  shutil.rmtree(copy / 'frozen')
  told = sentence(lambda: weights.restore_params(model, one_device, copy, 3))
  assert told.startswith(f'{copy}/frozen does not exist')


def test_values_that_are_no_longer_those_are_one_sentence_too(
    copy, capfd
):
  file = largest(copy / 'checkpoint_3' / 'state')
  file.write_bytes(bytes(byte ^ 0x55 for byte in file.read_bytes()))
  told = sentence(lambda: weights.load_params(copy))
  assert told.startswith(f'{copy}/checkpoint_3/state cannot be read (')
  assert 'go on from step 2' in told
  assert not capfd.readouterr().err


def test_json_of_another_kind_is_no_checkpoint(copy):
  (copy / 'checkpoint_3/state/_METADATA').write_text(json.dumps({'a': 1}))
  told = sentence(lambda: weights.load_params(copy))
  assert '_METADATA is damaged (it describes no arrays)' in told

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run, and what can be wrong with one."""

import dataclasses
import json
import shutil

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import model_json
from flamingo_jax.training.train_step import TrainState
from flamingo_jax.training.trainable import split_params
from tests.random_weights import random_weights, tiny_config

CONFIG = tiny_config(
    vocab=default_vocabulary().base_size, layers=1, xattn_every=1, context=64
)


@pytest.fixture(scope='module')
def params():
  return random_weights(CONFIG, scale=0.3)


@pytest.fixture(scope='module')
def saved(params, tmp_path_factory):
  """A folder as training writes it, with checkpoints 1 and 2."""
  folder = tmp_path_factory.mktemp('run')
  model_json.write_model_json(folder, CONFIG, default_vocabulary(), 5, 3)
  trainable, frozen_params = split_params(params)
  checkpoint.save_frozen(folder, frozen_params)
  checkpoints = checkpoint.Checkpoints(folder)
  for step in (1, 2):
    state = TrainState(
        step=jnp.int32(step),
        params=jax.tree.map(lambda x: np.asarray(x) * step, trainable),
        opt_state={},
    )
    checkpoints.save(step, state, {}, None)
  checkpoints.close()
  return folder


@pytest.fixture
def folder(saved, tmp_path):
  """A copy to damage."""
  return shutil.copytree(saved, tmp_path / 'run')


def test_loads_all_weights_of_a_step(saved, params):
  first, newest = fj.load(saved, step=1), fj.load(saved)
  assert newest.config == CONFIG and newest.frames == 3
  jax.tree.map(np.testing.assert_array_equal, first.params, params)
  gate = lambda p: p['decoder']['groups']['xattn']['attn_gate']
  np.testing.assert_array_equal(gate(newest.params), 2 * gate(params))
  np.testing.assert_array_equal(
      newest.params['decoder']['token_embedder'],
      params['decoder']['token_embedder'],
  )


def test_frames_and_fps_are_those_of_training_unless_asked(saved):
  read = lambda **more: (lambda m: (m.frames, m.fps))(fj.load(saved, **more))
  assert read() == (3, 1) and read(fps=2) == (3, 2)
  assert read(frames=30, fps=3) == (30, 3)
  with pytest.raises(fj.UserError, match='fps is 0 and must be'):
    fj.load(saved, fps=0)


def test_what_is_no_run_is_told(tmp_path):
  with pytest.raises(fj.UserError, match='model.json does not exist'):
    fj.load(tmp_path)


def test_missing_checkpoint_is_told(folder):
  with pytest.raises(fj.UserError, match='no checkpoint of step 7'):
    fj.load(folder, step=7)
  for checkpoint_folder in folder.glob('checkpoint_*'):
    shutil.rmtree(checkpoint_folder)
  with pytest.raises(fj.UserError, match='no checkpoint in'):
    fj.load(folder)


def test_another_vocabulary_is_told(folder):
  with open(folder / 'vocabulary.model', 'ab') as file:
    file.write(b'\x12\x00')  # an empty field: still a SentencePiece model
  with pytest.raises(fj.UserError, match='is not the vocabulary that'):
    fj.load(folder)


def test_weights_of_another_architecture_are_told(folder):
  path = folder / 'model.json'
  description = json.loads(path.read_text())
  description['architecture']['resampler']['latents'] = 4
  path.write_text(json.dumps(description))
  with pytest.raises(
      fj.UserError, match=r'resampler/latents has shape \(3, 16\) where the '
      r'model has \(4, 16\)'
  ):
    fj.load(folder)


def test_a_run_from_before_a_field_was_added_is_read_with_its_default(
    folder, params
):
  path = folder / 'model.json'
  description = json.loads(path.read_text())
  architecture = description['architecture']
  newest = list(architecture)[-1], list(architecture['decoder'])[-1]
  del architecture[newest[0]], architecture['decoder'][newest[1]]
  path.write_text(json.dumps(description))
  model = fj.load(folder, step=1)
  assert model.config == CONFIG
  jax.tree.map(np.testing.assert_array_equal, model.params, params)
  architecture['decoder']['unheard_of'] = 1
  path.write_text(json.dumps(description))
  with pytest.raises(
      fj.UserError, match=f'{folder} .*decoder.unheard_of is not known'
  ):
    fj.load(folder)


def test_maps_that_were_trained_take_half_to_answer_with(tmp_path):
  config = dataclasses.replace(CONFIG, dtype='bfloat16')
  params = random_weights(config, scale=0.3)
  trainable, frozen_params = split_params(params)
  model_json.write_model_json(tmp_path, config, default_vocabulary(), 5, 3)
  checkpoint.save_frozen(tmp_path, frozen_params)
  checkpoints = checkpoint.Checkpoints(tmp_path)
  state = TrainState(step=jnp.int32(1), params=trainable, opt_state={})
  checkpoints.save(1, state, {}, None)
  checkpoints.close()
  model = fj.load(tmp_path)
  found = traverse_util.flatten_dict(model.params['decoder']['groups']['xattn'])
  for path, x in found.items():
    is_map = path[-1] == 'kernel'
    assert x.dtype == (jnp.bfloat16 if is_map else jnp.float32), path
  prompt = [[fj.image(np.zeros((9, 9, 3), np.uint8)), 'a']]
  np.testing.assert_array_equal(
      model.score(prompt, ['b', 'c']),
      fj.Predictor(config, params, default_vocabulary(), frames=3).score(
          prompt, ['b', 'c']
      ),
  )

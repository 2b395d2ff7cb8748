# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The stage before Flamingo: a language model that Flamingo then reads."""

import dataclasses
import json
import math

import chex
import jax
import numpy as np
import pytest

from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.driver.validation import Evaluator
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.fingerprint import fingerprint
from flamingo_jax.run_dir.pretrained import TrainStateInitializer, load_tower
from flamingo_jax.run_dir.regroup import regroup
from flamingo_jax.training.optimizer import (
    language_model_optimizer,
    linear_warmup_cosine,
    matrix_mask,
)
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import Trainer, abstract_state, init_state
from flamingo_jax.training.trained_model import FlamingoModel, LanguageModel
from tests.random_weights import save_run
from tests.training.conftest import train_tower

LAMBDA = {'text': 1.0}


def make_batch(seed, rows=8, length=12):
  """Rows of two documents and padding, with weights of their own."""
  rng = np.random.default_rng(seed)
  tokens = rng.integers(0, 2048, (rows, 1, length + 1), dtype=np.int32)
  real = np.arange(length) < rng.integers(length // 2, length, (rows, 1, 1))
  return {f'text/{key}': x for key, x in {
      'tokens': tokens[..., :-1],
      'targets': tokens[..., 1:],
      'loss_weights': (real * rng.random(real.shape)).astype(np.float32),
      'segments': (real * (1 + (np.arange(length) > 3))).astype(np.int32),
      'example_id': np.zeros((rows, 1, 2), np.int32),
  }.items()}


@pytest.fixture(scope='module')
def language_model(config):
  return LanguageModel(
      config, default_vocabulary(),
      language_model_optimizer(linear_warmup_cosine(1e-2, 2, 10)),
  )


@pytest.fixture(scope='module')
def trained(language_model, one_device):
  return train_tower(language_model, one_device, make_batch(0), LAMBDA)


@pytest.fixture(scope='module')
def run(trained, language_model, tmp_path_factory):
  """The MODEL_DIR of a run of three steps."""
  folder = tmp_path_factory.mktemp('run')
  save_run(folder, language_model.config, 3, trained[1].params, {})
  return folder


def test_all_of_it_is_trained(language_model, one_device, trained):
  losses, state, metrics = trained
  assert losses[2] < losses[0]
  assert metrics['tokens'] == np.sum(make_batch(0)['text/loss_weights'] > 0)
  assert 'images' not in metrics
  start, frozen_params = init_state(
      language_model, one_device, jax.random.key(0)
  )
  assert frozen_params == {}
  changed = jax.tree.map(
      lambda a, b: bool(np.any(a != b)),
      *jax.device_get((start.params, state.params)),
  )
  assert all(jax.tree.leaves(changed))


def test_a_mesh_gives_the_same_losses(language_model, trained):
  mesh = Partitioner({'fsdp': 4, 'model': 2}, 'sequence_parallel')
  losses, *_ = train_tower(language_model, mesh, make_batch(0), LAMBDA)
  np.testing.assert_allclose(losses, trained[0], rtol=1e-5)


def test_perplexity_is_the_exponential_of_the_loss(
    language_model, trained, one_device
):
  trainer = Trainer(language_model, one_device, lambda step: 0.0, LAMBDA)
  batch = {k.removeprefix('text/'): x[:, 0] for k, x in make_batch(1).items()}

  class Twice:
    def as_numpy_iterator(self):
      return iter([batch, batch])

  values = Evaluator(trainer, {'text': Twice()}).evaluate(
      0, trained[1].params, {}
  )
  assert values['eval/perplexity/text'] == pytest.approx(
      math.exp(values['eval/loss/text'])
  )


def test_flamingo_reads_it_and_says_so(
    model, trained, run, tmp_path, capsys
):
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  _, frozen = TrainStateInitializer(
      model, partitioner, language_model=str(run), model_dir=str(tmp_path)
  ).from_scratch(jax.random.key(1))
  mine = jax.device_get(trained[1].params['decoder'])
  chex.assert_trees_all_equal(jax.device_get(frozen['decoder']), mine)
  restored = json.loads((tmp_path / 'restored.json').read_text())
  assert restored == {'decoder': {
      'source': str(run / 'checkpoint_3' / 'state'),
      'parameters': sum(x.size for x in jax.tree.leaves(mine)),
      # Of the same values on another mesh.
      'fingerprint': fingerprint(mine),
  }}
  told = capsys.readouterr().err
  assert restored['decoder']['fingerprint'] in told and str(run) in told
  # One checkpoint of several can be named.
  _, frozen = TrainStateInitializer(
      model, partitioner, language_model=str(run / 'checkpoint_3')
  ).from_scratch(jax.random.key(1))
  chex.assert_trees_all_equal(jax.device_get(frozen['decoder']), mine)
  with pytest.raises(UserError, match=r'holds no vision_encoder \(but decoder'):
    TrainStateInitializer(
        model, partitioner, vision_encoder=str(run)
    ).from_scratch(jax.random.key(1))


@pytest.mark.parametrize('first, every, shapes', [
    (0, 1, [(3, 1)]), (0, 3, [(1, 3)]), (1, 2, [(1,), (1, 2)])
])
def test_layers_go_into_other_groups(
    config, model, trained, run, first, every, shapes
):
  # Two layers and a tail of one are stored.
  decoder = dataclasses.replace(
      config.decoder, first=first, xattn_every=every
  )
  other = FlamingoModel(
      dataclasses.replace(config, decoder=decoder), default_vocabulary(),
      model.optimizer,
  )
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, 'fsdp_sequence_parallel')
  abstract = abstract_state(other, partitioner)[1]['decoder']
  mine = jax.device_get(trained[1].params['decoder'])
  read, _ = load_tower(run, 'decoder', abstract)
  assert jax.tree.map(lambda x: x.sharding, read) == jax.tree.map(
      lambda x: x.sharding, abstract
  )
  kernels = lambda tree: [
      tree[stack]['lm']['ffw']['up']['kernel']
      for stack in ('head', 'groups', 'tail') if stack in tree
  ]
  assert [x.shape[:-2] for x in kernels(read)] == shapes
  layers = lambda tree: np.concatenate(
      [np.reshape(x, (-1, 16, 64)) for x in kernels(tree)]
  )
  np.testing.assert_array_equal(layers(read), layers(mine))
  # And back.
  abstract = abstract_state(model, partitioner)[1]['decoder']
  chex.assert_trees_all_equal(jax.device_get(regroup(read, abstract)), mine)


def test_a_next_phase_has_its_weights_and_a_new_optimizer(
    language_model, one_device, trained, run, tmp_path
):
  state, _ = TrainStateInitializer(
      language_model, one_device, weights=str(run), model_dir=str(tmp_path)
  ).from_scratch(jax.random.key(2))
  chex.assert_trees_all_equal(state.params, trained[1].params)
  new, _ = init_state(language_model, one_device, jax.random.key(2))
  assert state.step == 0
  chex.assert_trees_all_equal(state.opt_state, new.opt_state)
  assert 'weights' in json.loads((tmp_path / 'restored.json').read_text())


def test_chinchillas_schedule():
  schedule = linear_warmup_cosine(1e-4, 100, 1100)
  values = [float(schedule(step)) for step in (0, 50, 100, 600, 1100, 2000)]
  np.testing.assert_allclose(
      values, [0, 5e-5, 1e-4, 5.5e-5, 1e-5, 1e-5], rtol=1e-4
  )
  with pytest.raises(UserError, match='WARMUP_STEPS is 10 and TRAIN_STEPS 10'):
    linear_warmup_cosine(1e-4, 10, 10)


def test_norms_and_biases_do_not_decay(language_model, one_device):
  params = abstract_state(language_model, one_device)[0].params
  mask = jax.tree_util.tree_flatten_with_path(matrix_mask(params))[0]
  kept = {path[-1].key for path, decays in mask if not decays}
  decayed = {path[-1].key for path, decays in mask if decays}
  assert kept == {'scale', 'content_bias', 'position_bias'}
  assert decayed == {'kernel', 'token_embedder'}

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Towers from two sources, each leaf read to where it belongs, strictly."""

import contextlib
import dataclasses

import chex
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from flamingo_jax.data.vocabulary import default_vocabulary, train_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import int8, lora
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.run_dir import checkpoint
from flamingo_jax.run_dir import model_json
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_state, init_state
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.random_weights import save_run


@pytest.fixture(scope='module')
def source(model, one_device):
  """The state of some other run."""
  return jax.device_get(
      init_state(model, one_device, jax.random.PRNGKey(7))
  )


def save_tree(path, tree):
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
    checkpointer.save(path, ocp.args.PyTreeSave(tree))
  return path


@pytest.fixture(scope='module')
def run(source, config, tmp_path_factory):
  """A MODEL_DIR."""
  folder = tmp_path_factory.mktemp('run')
  checkpoint.save_frozen(folder, source[1])
  model_json.write_model_json(folder, config, default_vocabulary(), 5, 1)
  return folder


def test_towers_are_read_and_the_rest_is_random(
    model, one_device, source, run, tmp_path, capsys
):
  vision = save_tree(
      tmp_path / 'vision',
      jax.tree.map(lambda x: x + 1, source[1]['vision_encoder']),
  )
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  state, frozen = TrainStateInitializer(
      model, partitioner, vision_encoder=str(vision), language_model=str(run)
  ).from_scratch(jax.random.PRNGKey(0))
  assert 'warning' not in capsys.readouterr().err
  abstract, abstract_frozen = abstract_state(model, partitioner)
  assert jax.tree.map(lambda x: (x.sharding, x.dtype), frozen) == jax.tree.map(
      lambda x: (x.sharding, x.dtype), abstract_frozen
  )
  assert not all(x.is_fully_replicated for x in jax.tree.leaves(frozen))
  chex.assert_trees_all_equal(
      jax.device_get(frozen['decoder']), source[1]['decoder']
  )
  jax.tree.map(
      lambda x, y: np.testing.assert_array_equal(x, y + 1),
      frozen['vision_encoder'], source[1]['vision_encoder'],
  )
  random, _ = init_state(model, one_device, jax.random.PRNGKey(0))
  chex.assert_trees_all_close(
      jax.device_get(state), jax.device_get(random), rtol=1e-5
  )


def test_what_a_run_froze_may_be_trained_and_the_reverse(
    config, model, one_device, source, tmp_path
):
  whole = merge_params(source[0].params, source[1])
  weights, kept = str(tmp_path), dict.fromkeys(('vision_encoder', 'decoder'))
  with contextlib.closing(checkpoint.Checkpoints(tmp_path)) as checkpoints:
    checkpoints.save(1, source[0], {}, None)
  checkpoint.save_frozen(tmp_path, source[1])
  model_json.write_model_json(tmp_path, config, default_vocabulary(), 5, 1)
  for tower in kept:
    changed = {
        'image_size': 24,
        'trains_vision_encoder': tower == 'vision_encoder',
        'trains_language_model': tower == 'decoder',
    }
    other = FlamingoModel(
        dataclasses.replace(config, **changed), default_vocabulary(),
        model.optimizer,
    )
    # The pictures' size is of no weight.
    state, frozen = TrainStateInitializer(
        other, one_device, weights=weights
    ).from_scratch(jax.random.PRNGKey(0))
    assert tower not in frozen and len(frozen) == 1
    assert {x.dtype for x in jax.tree.leaves(state.params)} == {np.dtype('float32')}
    restored = jax.device_get(merge_params(state.params, frozen))
    jax.tree.map(
        lambda x, y: np.testing.assert_array_equal(x, y.astype(x.dtype)),
        restored, whole,
    )


def test_a_tree_of_the_whole_model_will_do(
    model, one_device, source, tmp_path, capsys
):
  whole = save_tree(tmp_path / 'whole', merge_params(source[0].params, source[1]))
  _, frozen = TrainStateInitializer(
      model, one_device, language_model=str(whole)
  ).from_scratch(jax.random.PRNGKey(0))
  chex.assert_trees_all_equal(
      jax.device_get(frozen['decoder']), source[1]['decoder']
  )
  told = capsys.readouterr().err
  assert 'warning: vision_encoder: random weights that stay frozen' in told


def test_towers_become_such_of_8_bits_on_every_mesh(
    model, source, config, run, tmp_path
):
  eight_bits = dataclasses.replace(
      config, frozen_dtype='int8', decoder=dataclasses.replace(
          config.decoder, xattn_every=1
      ),
  )
  adapted = FlamingoModel(eight_bits, default_vocabulary(), model.optimizer)
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  state, frozen = TrainStateInitializer(
      adapted, partitioner, vision_encoder=str(run), language_model=str(run)
  ).from_scratch(jax.random.PRNGKey(0))
  _, abstract = abstract_state(adapted, partitioner)
  places = lambda tree: jax.tree.map(lambda x: (x.dtype, x.sharding), tree)
  assert places(frozen) == places(abstract)
  # Three layers in groups of one, which were a group of two and a tail.
  theirs = source[1]['decoder']
  ups = [theirs[x]['lm']['ffw']['up']['kernel'] for x in ('groups', 'tail')]
  up = np.concatenate([x.reshape(-1, *x.shape[-2:]) for x in ups])[:, None]
  found = frozen['decoder']['groups']['lm']['ffw']['up']
  numbers, scale = int8.quantize(jnp.asarray(up, jnp.bfloat16), 2)
  np.testing.assert_array_equal(found['kernel'], numbers)
  np.testing.assert_allclose(found[int8.SCALE], scale, rtol=1e-6)
  # Saved once, and read by who goes on, or begins with its weights.
  save_run(tmp_path / 'run', eight_bits, 1, state.params, frozen)
  again = checkpoint.restore_frozen(tmp_path / 'run', abstract)
  chex.assert_trees_all_equal(*map(jax.device_get, (again, frozen)))
  with pytest.raises(UserError, match="frozen_dtype is 'int8' there and 'float32'"):
    TrainStateInitializer(
        FlamingoModel(
            dataclasses.replace(eight_bits, frozen_dtype='float32'),
            default_vocabulary(), model.optimizer,
        ), partitioner, weights=str(tmp_path / 'run'),
    ).from_scratch(jax.random.PRNGKey(0))


def test_what_does_not_fit_is_one_sentence(
    model, one_device, source, run, config, tmp_path
):
  def sentence(model=model, **towers):
    initializer = TrainStateInitializer(model, one_device, **towers)
    with pytest.raises(UserError) as error:
      initializer.from_scratch(jax.random.PRNGKey(0))
    assert '\n' not in str(error.value)
    return str(error.value)

  assert 'holds no weights: give the MODEL_DIR' in sentence(
      vision_encoder=str(tmp_path)
  )
  decoder = source[1]['decoder'] | {'final_norm': {'scale': np.zeros(3)}}
  other = save_tree(tmp_path / 'other', {'decoder': decoder})
  assert sentence(language_model=str(other)).endswith(
      'is of another architecture: final_norm/scale has shape (3,) where the '
      'model has (16,)'
  )
  assert 'nowhere, the source of the decoder, does not exist' in sentence(
      language_model='nowhere'
  )
  vocabulary = train_vocabulary(['red', 'blue'], tmp_path / 'words', 400)
  foreign = FlamingoModel(
      dataclasses.replace(config, decoder=dataclasses.replace(
          config.decoder, vocab=vocabulary.base_size
      )),
      vocabulary,
      model.optimizer,
  )
  for path in (run, run / 'frozen'):
    assert sentence(foreign, language_model=str(path)) == (
        f'the language model in {run} was trained with another vocabulary than '
        f'{vocabulary.path}: use {run}/vocabulary.model'
    )


def test_low_rank_updates_begin_around_another_runs_weights(
    model, one_device, source, config, tmp_path
):
  def adapted(*updates):
    return FlamingoModel(
        dataclasses.replace(config, lora=LoraConfig(*updates)),
        default_vocabulary(), model.optimizer,
    )

  def begin(model, **sources):
    return TrainStateInitializer(model, one_device, **sources).from_scratch(
        jax.random.PRNGKey(0)
    )

  save_run(tmp_path / 'plain', config, 1, source[0].params, source[1])
  alone = adapted(2, 4.0, ('decoder/*/value',), True)
  state, frozen = begin(alone, weights=str(tmp_path / 'plain'))
  factors, rest = lora.split(merge_params(state.params, frozen))
  assert jax.tree.structure(state.params) == jax.tree.structure(factors)
  rest = traverse_util.flatten_dict(rest)
  scales = [rest.pop(path) for path in list(rest) if path[-1] == lora.SCALE]
  assert len(scales) == 2 and all((x == 2).all() for x in scales)
  chex.assert_trees_all_equal(
      jax.device_get(rest),
      traverse_util.flatten_dict(merge_params(source[0].params, source[1])),
  )
  save_run(tmp_path / 'alone', alone.config, 1, state.params, frozen)
  # And what was trained alone may be trained on beside the blocks.
  beside = adapted(2, 4.0, ('decoder/*/value',))
  again, others = begin(beside, weights=str(tmp_path / 'alone'))
  chex.assert_trees_all_equal(
      *map(jax.device_get, (merge_params(again.params, others),
                            merge_params(state.params, frozen)))
  )
  assert 'resampler' in again.params and 'resampler' in frozen
  for other, sources, told in (
      (adapted(3, 4.0, ('decoder/*/value',)), {'weights': 'alone'},
       r'updates of rank 2, alpha 4.0 and projections \[.* has others: give'),
      (model, {'weights': 'alone'}, 'has others: give the MODEL_DIR that flamingo'),
      (model, {'language_model': 'alone'}, 'has low-rank updates, and what is'),
      (alone, {'language_model': 'plain'}, 'give INITIAL_WEIGHTS'),
  ):
    with pytest.raises(UserError, match=told):
      begin(other, **{k: str(tmp_path / x) for k, x in sources.items()})

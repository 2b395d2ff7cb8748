# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers of a mesh whose devices have all or parts of the weights."""

import dataclasses

import jax
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.partitioner import Partitioner
from tests.random_weights import random_weights, tiny_config

RNG = np.random.default_rng(0)
CAT, DOG, FISH = (
    fj.image(RNG.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(3)
)
PREFIX = [CAT, 'Output: a cat']
PROMPTS = [
    [DOG, 'Output:'], [FISH, 'Output:'], [FISH, 'a'],
    [DOG, 'Output: a dog', CAT, 'Output:'], ['no picture'],
]


@pytest.fixture(scope='module')
def one_device():
  config = dataclasses.replace(
      tiny_config(
          vocab=default_vocabulary().base_size, layers=3, xattn_every=2,
          context=64,
      ), frozen_dtype='bfloat16',
  )
  params = jax.device_get(random_weights(config, scale=0.3))
  params['vision_encoder'] = jax.tree.map(  # as a checkpoint has it
      lambda x: x.astype(jax.numpy.bfloat16), params['vision_encoder']
  )
  return fj.Predictor(config, params, default_vocabulary())


# Of parts that are gathered, prompts of one kind; of split heads all.
BOTH = (PROMPTS, ()), (PROMPTS[:3], PREFIX)


@pytest.mark.parametrize('rules, mesh, asked', [
    ('tensor_parallel', {'fsdp': 4, 'model': 2}, BOTH),
    ('fsdp', {'fsdp': 8}, BOTH[1:]),
], ids=['tensor_parallel', 'fsdp'])
def test_a_mesh_answers_as_one_device(one_device, rules, mesh, asked):
  model = fj.Predictor(
      one_device.config, jax.device_get(one_device.params),
      one_device.vocabulary, partitioner=Partitioner(mesh, rules),
  )
  table = model.params['decoder']['token_embedder']
  assert not table.sharding.is_fully_replicated
  dtypes = lambda predictor: jax.tree.map(lambda x: x.dtype, predictor.params)
  assert dtypes(model) == dtypes(one_device)

  for prompts, prefix in asked:
    options = {'prefix': prefix, 'batch_size': 2}
    likelihoods, expected = (
        x.score(prompts, ['a cat', 'no', 'dog'], **options)
        for x in (model, one_device)
    )
    np.testing.assert_allclose(likelihoods, expected, rtol=0, atol=1e-5)
    assert len(np.unique(expected)) == expected.size
    answers, expected = (
        x.generate(prompts, beams=3, max_new_tokens=5, **options)
        for x in (model, one_device)
    )
    assert answers == expected
  np.testing.assert_allclose(
      model.embed([CAT, DOG]), one_device.embed([CAT, DOG]), rtol=1e-4,
      atol=1e-5,
  )
  assert model.sha256 == one_device.sha256


def test_devices_that_have_all_weights_change_no_bit(one_device):
  eight = fj.Predictor(
      one_device.config, one_device.params, one_device.vocabulary,
      partitioner=Partitioner(),
  )
  one, many = (
      model.score(PROMPTS[:4], ['a cat', 'no'], batch_size=2)
      for model in (one_device, eight)
  )
  np.testing.assert_array_equal(many, one)
  leaf = eight.params['decoder']['final_norm']['scale']
  assert len(leaf.sharding.device_set) == 8
  np.testing.assert_array_equal(
      eight.embed([CAT, DOG, FISH]), one_device.embed([CAT, DOG, FISH])
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of examples against the Python API, on any devices."""

import jax
import numpy as np
import pytest
import seqio

from flamingo_jax.evaluation.examples import ExampleInference, FeatureConverter
from flamingo_jax.run_dir.weights import restore_params
from flamingo_jax.training.partitioner import Partitioner
from tests.evaluation.conftest import (
    LENGTHS,
    NAMES,
    QUERIES,
    SUPPORTS,
    make_prompt,
)

EIGHT = {'logical_axis_rules': 'data_parallel'}


def examples(name):
  dataset = seqio.TaskRegistry.get(name).get_dataset(
      sequence_length=LENGTHS, split='test', shuffle=False
  )
  count = len(list(dataset))
  dataset = FeatureConverter()(dataset, LENGTHS).enumerate()
  return dataset.apply(seqio.tf.data.experimental.assert_cardinality(count))


def make_inference(model, run_dir, batch_size, **mesh):
  mesh = mesh or {'devices': jax.devices()[:1]}
  partitioner = Partitioner(**mesh)
  params = restore_params(model, partitioner, run_dir, 7)
  return ExampleInference(model, partitioner, batch_size, params)


@pytest.fixture(scope='module')
def one_device(model, run_dir):
  return make_inference(model, run_dir, 4)


def asked(shots, text_only_at_zero=True, control=''):
  return [
      make_prompt(query, SUPPORTS, shots, 0, text_only_at_zero, control)
      for query in QUERIES
  ]


@pytest.mark.parametrize('shots', [0, 2])
def test_answers_are_the_predictor_s(one_device, predictor, shots):
  rows = one_device.predict(examples(f'open_{shots}shot'))
  assert [index for index, _ in rows] == list(range(len(QUERIES)))
  vocabulary = seqio.TaskRegistry.get('open_0shot').output_features[
      'targets'
  ].vocabulary
  found = [vocabulary.decode(tokens) for _, tokens in rows]
  expected = predictor.generate(
      asked(shots), beams=3, max_new_tokens=LENGTHS['targets']
  )
  assert found == expected
  assert len(set(found)) > 1


@pytest.mark.parametrize('control', ['', 'no_pictures'])
def test_scores_are_the_predictor_s(one_device, predictor, control):
  task = 'close_2' + (f'_{control}' if control else '')
  scores = [score for _, score in one_device.score(examples(task))]
  expected = predictor.score(asked(2, control=control), NAMES)
  np.testing.assert_allclose(
      np.reshape(scores, expected.shape), expected, rtol=1e-5
  )
  assert len(np.unique(expected)) == expected.size


def test_padding_that_limits_leave_out_changes_no_score(one_device):
  scores, expected = (
      [score for _, score in one_device.score(examples(name))]
      for name in ('short_episodes', 'episodes')
  )
  np.testing.assert_allclose(scores, expected, rtol=1e-5)
  assert len(set(scores)) > len(NAMES)


@pytest.mark.parametrize('batch_size, mesh', [
    (7, {}), (8, EIGHT)
], ids=str)
def test_results_are_the_same_on_any_devices_in_any_batch(
    one_device, model, run_dir, batch_size, mesh
):
  inference = make_inference(model, run_dir, batch_size, **mesh)
  calls, compiled = [], inference._inference._score
  inference._inference._score = lambda *args, **options: (
      calls.append(0) or compiled(*args, **options)
  )
  scores, expected = (
      dict(x.score(examples('close_2'))) for x in (inference, one_device)
  )
  assert len(calls) == -(-len(QUERIES) // batch_size)  # all devices at once
  assert list(scores) == list(expected)
  np.testing.assert_allclose(
      list(scores.values()), list(expected.values()), rtol=1e-5
  )
  (rows, aux), (alone, aux_alone) = (
      x.predict_with_aux(examples('open_2shot')) for x in (inference, one_device)
  )
  np.testing.assert_array_equal(*(
      np.stack([tokens for _, tokens in found]) for found in (rows, alone)
  ))
  np.testing.assert_allclose(aux['scores'], aux_alone['scores'], rtol=1e-5)


def test_a_picture_is_encoded_once_for_all_candidates(model, run_dir):
  inference = make_inference(model, run_dir, 8)
  encoded = []
  encode = inference._inference._encoder._see

  def count(params, shared, media):
    encoded.append(media[0].tobytes())
    return encode(params, shared, media)

  inference._inference._encoder._see = count
  first = inference.score(examples('close_2'))
  assert len(encoded) == len(set(encoded)) < len(QUERIES) * len(NAMES)
  inference.score(examples('close_2'))
  assert len(encoded) == len(set(encoded))
  inference.use(inference._inference.params)  # of another step: nothing is kept
  assert inference.score(examples('close_2')) == first
  assert len(encoded) == 2 * len(set(encoded))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SmolLM2-135M-Instruct itself, where its folder is at hand.

  FLAMINGO_SMOLLM2=FOLDER pytest tests/convert/smollm2_test.py

launch/real_language.sh makes it, runs/real_language/SmolLM2-135M;
references/record_smollm2.py made the references of it.
"""

import json
import os
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax import decoding
from flamingo_jax.convert.conversion import convert
from flamingo_jax.models import LanguageModel, int8
from flamingo_jax.predictor import programs
from tests.convert.texts import checksums, lines

TOLD = json.loads(
    (pathlib.Path(__file__).parent / 'references/smollm2.json').read_text()
)
FOLDER = os.environ.get('FLAMINGO_SMOLLM2', '')
NEW = 50
pytestmark = pytest.mark.skipif(
    not FOLDER, reason='FLAMINGO_SMOLLM2 names no folder of SmolLM2-135M-Instruct'
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  tower = tmp_path_factory.mktemp('smollm2') / 'tower'
  convert(FOLDER, tower)
  return fj.load(tower)


def test_ids_are_those_of_the_reference(model):
  found = checksums(map(model.vocabulary.encode_whole, lines(2000)))
  assert found == TOLD['checksums']


def test_greedy_tokens_are_those_of_the_reference(model):
  prompts = [model.vocabulary.encode_whole(text) for text in TOLD['prompts']]
  lengths = np.array(list(map(len, prompts)), np.int32)
  tokens = np.zeros((len(prompts), lengths.max()), np.int32)
  for row, ids in zip(tokens, prompts):
    row[: len(ids)] = ids
  stop = model.vocabulary.eos_id
  found = jax.jit(lambda params, prompts: programs.greedy(
      LanguageModel(model.config), params, (None, NEW),
      (prompts, jnp.zeros((len(prompts.tokens), 1, 1, 1))), room=NEW, stop=stop,
  ))(model.params, decoding.Prompts(tokens, lengths, np.zeros_like(tokens)))
  for wanted, row in zip(TOLD['greedy'], np.asarray(found.tokens)):
    wanted += [stop] * (NEW - len(wanted))
    np.testing.assert_array_equal(row, wanted)


def log_likelihood(model, params):
  """Of the page, in nats, of all 512 tokens together."""
  page = np.array([TOLD['page']])
  # Rounded as users have it, not as tests/xla_flags.py compiles.
  options = {
      'xla_backend_optimization_level': 3, 'xla_cpu_use_fusion_emitters': True
  }
  apply = jax.jit(LanguageModel(model.config).apply, compiler_options=options)
  logits = apply({'params': params}, page)
  logs = np.asarray(logits[0, :-1], np.float64)
  taken = np.take_along_axis(logs, page[0, 1:, None], axis=1)[:, 0]
  most = logs.max(axis=1)
  total = np.log(np.exp(logs - most[:, None]).sum(axis=1)) + most
  return np.sum(taken - total)


def test_the_likelihood_of_a_page_is_that_of_the_reference(model):
  found = log_likelihood(model, model.params)
  assert abs(found - TOLD['log_likelihood']) < 1e-4, found


def test_maps_of_8_bits_cost_little_of_the_likelihood_of_a_page(model):
  flat = traverse_util.flatten_dict(model.params)
  for path in [path for path in flat if path[-1] == 'kernel']:
    x = flat[path]
    flat[*path[:-1], int8.SCALE] = jnp.ones((*x.shape[:2], x.shape[-1]))
  found = log_likelihood(
      model, int8.quantized(traverse_util.unflatten_dict(flat))
  )
  assert 0 < abs(found / TOLD['log_likelihood'] - 1) < 0.005, found


def test_it_answers_by_itself(model):
  assert model.generate(['The capital of France is']).startswith('Paris.')

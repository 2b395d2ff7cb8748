# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy decoding and sampling, against the full forward pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import decoding
from flamingo_jax import models

STEPS = 4
LIMITS = {'room': STEPS, 'max_new_tokens': STEPS}
# The model's own probabilities, for the tests of one token.
PROBS = np.array([0.05, 0.4, 0.15, 0.3, 0.1])


@pytest.fixture(scope='module')
def greedy(tiny):
  run = tiny.jit(decoding.greedy, **LIMITS, stop=tiny.stop)
  return run(tiny.params, *tiny.read)


@pytest.fixture(scope='module')
def sample(tiny):
  run = tiny.jit(decoding.sample, **LIMITS, stop=tiny.stop)

  def call(*args, temperature=1.0, top_k=0, top_p=1.0):  # compiled once
    return run(
        tiny.params, *args, temperature=temperature, top_k=top_k, top_p=top_p
    )

  return call


def keys(*seeds):
  return jax.vmap(jax.random.key)(jnp.array(seeds))


def check_consistent(tiny, out):
  """Tokens, lengths and log-probabilities of `Decoded` fit together."""
  for row in range(len(out.tokens)):
    tokens, length = np.asarray(out.tokens[row]), int(out.lengths[row])
    assert (tokens[:length] != tiny.stop).all()
    assert (tokens[length:] == tiny.stop).all()
    said = tiny.log_probs(row, tokens[None])[0][: length + 1]
    np.testing.assert_allclose(out.log_probs[row], said.sum(), atol=1e-4)


def test_greedy_takes_the_likeliest_token(tiny, greedy):
  for row in range(4):
    tokens = np.asarray(greedy.tokens[row])
    for step in range(min(int(greedy.lengths[row]) + 1, STEPS)):
      choices = np.repeat(tokens[None], 6, axis=0)
      choices[:, step] = np.arange(6)
      assert tiny.log_probs(row, choices)[:, step].argmax() == tokens[step]


def test_greedy_stops(tiny, greedy):
  # Or else the test above would not have seen both kinds of row.
  assert set(np.asarray(greedy.lengths) < STEPS) == {True, False}
  check_consistent(tiny, greedy)


def test_sample_stops(tiny, sample):
  out = sample(*tiny.read, keys(0, 1, 2, 3))
  assert (np.asarray(out.lengths) < STEPS).any()
  check_consistent(tiny, out)


@pytest.mark.parametrize(
    'options',
    [
        {'temperature': 0.0}, {'temperature': 1e-4}, {'top_k': 1},
        {'top_p': 1e-6},
    ],
    ids=str,
)
def test_sharpest_sample_is_greedy(tiny, sample, greedy, options):
  out = sample(*tiny.read, keys(0, 1, 2, 3), **options)
  np.testing.assert_array_equal(out.tokens, greedy.tokens)


def test_sample_does_not_depend_on_its_batch(tiny, sample):
  logits, cache = tiny.read
  logits, gather = np.asarray(logits), jax.jit(models.gather_cache)
  seeds = np.array([5, 6, 7, 8])
  together = sample(logits, cache, keys(*seeds), temperature=2.0)

  def take(rows):
    return sample(
        logits[rows], gather(cache, np.array(rows)), keys(*seeds[rows]),
        temperature=2.0,
    ).tokens

  for rows in ([3], [2, 3, 0, 1]):
    np.testing.assert_array_equal(
        take(rows), np.asarray(together.tokens)[rows]
    )
  # The same prompt with another key says something else.
  rows = [0] * 4
  same = sample(
      logits[rows], gather(cache, np.array(rows)), keys(*seeds),
      temperature=2.0,
  )
  assert len(set(map(tuple, np.asarray(same.tokens)))) > 1


@jax.jit
def draw(keys, logits, options):
  one = lambda key: decoding.sample_token(key, logits, **options)
  return jax.vmap(one)(keys)


@pytest.mark.parametrize(
    'options, expected',
    [
        ({}, [0.05, 0.4, 0.15, 0.3, 0.1]),
        ({'temperature': 0.5}, [0.0025, 0.16, 0.0225, 0.09, 0.01]),
        ({'top_k': 2}, [0, 0.4, 0, 0.3, 0]),
        ({'top_p': 0.6}, [0, 0.4, 0, 0.3, 0]),
        ({'top_p': 0.75}, [0, 0.4, 0.15, 0.3, 0]),
        # Of the best three, renormalised, two reach 0.8.
        ({'top_k': 3, 'top_p': 0.8}, [0, 0.4, 0, 0.3, 0]),
        ({'top_k': 3}, [0, 0.4, 0.15, 0.3, 0]),
    ],
    ids=str,
)
def test_frequencies(options, expected):
  options = {'temperature': 1.0, 'top_k': 0, 'top_p': 1.0} | options
  count = 4000
  logits = np.log(PROBS) + 3.0  # not normalised
  tokens = draw(
      jax.random.split(jax.random.key(0), count), np.float32(logits), options
  )
  found = np.bincount(tokens, minlength=5) / count
  expected = np.array(expected) / np.sum(expected)
  assert (found[expected == 0] == 0).all()
  np.testing.assert_allclose(found, expected, atol=0.03)

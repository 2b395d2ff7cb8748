# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Beam search, against greedy decoding and against trying everything."""

import functools
import itertools

import numpy as np
import pytest

from flamingo_jax import decoding

STEPS = 3
LIMITS = {'room': STEPS, 'max_new_tokens': STEPS}


@functools.cache
def everything(vocab, stop):
  """All continuations of STEPS tokens; after a stop, stops only."""
  rows = itertools.product(range(vocab), repeat=STEPS)
  return np.array([
      row for row in rows
      if stop not in row or set(row[row.index(stop) :]) == {stop}
  ])


def log_probs(tiny, row):
  """The log-probability of all of `everything`."""
  tokens = everything(6, tiny.stop)
  counts = np.minimum((tokens != tiny.stop).sum(axis=1) + 1, STEPS)
  each = tiny.log_probs(row, tokens)
  said = np.where(np.arange(STEPS) < counts[:, None], each, 0.0)
  return said.sum(axis=1)


@functools.cache
def compiled(tiny, beams):
  return tiny.jit(
      decoding.beam_search, beams=beams, **LIMITS, stop=tiny.stop
  )


def search(tiny, beams):
  return compiled(tiny, beams)(tiny.params, *tiny.read)


@pytest.fixture(scope='module')
def greedy(tiny):
  run = tiny.jit(decoding.greedy, **LIMITS, stop=tiny.stop)
  return run(tiny.params, *tiny.read)


def test_one_beam_is_greedy(tiny, greedy):
  out = search(tiny, 1)
  np.testing.assert_array_equal(out.tokens, greedy.tokens)
  np.testing.assert_array_equal(out.lengths, greedy.lengths)
  np.testing.assert_allclose(out.log_probs, greedy.log_probs, atol=1e-5)


def test_enough_beams_find_the_best_of_everything(tiny, greedy):
  out = search(tiny, 36)
  for row in range(4):
    sums = log_probs(tiny, row)
    best = np.argmax(sums)
    np.testing.assert_array_equal(
        out.tokens[row], everything(6, tiny.stop)[best]
    )
    np.testing.assert_allclose(out.log_probs[row], sums[best], atol=1e-4)
  # Greedy decoding does not give the same.
  assert (np.asarray(out.tokens) != np.asarray(greedy.tokens)).any()


def test_three_beams_beat_or_equal_greedy(tiny, greedy):
  out = search(tiny, 3)
  gain = np.asarray(out.log_probs - greedy.log_probs)
  assert (gain > -1e-5).all()
  assert (gain > 1e-2).any()
  for row in range(4):
    sums = log_probs(tiny, row)
    found = (everything(6, tiny.stop) == np.asarray(out.tokens[row])).all(1)
    np.testing.assert_allclose(out.log_probs[row], sums[found][0], atol=1e-4)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of candidates are sums of the full forward's log-probabilities."""

import numpy as np

from flamingo_jax import decoding


def test_scores_equal_the_full_forward(either):
  rng = np.random.default_rng(0)
  candidates = rng.integers(0, 6, (4, 3, 4)).astype(np.int32)
  lengths = np.array([[1, 2, 4], [3, 1, 2], [2, 4, 1], [1, 3, 4]], np.int32)
  scores = either.jit(decoding.score)(
      either.params, *either.read, candidates, lengths
  )
  for row in range(4):
    each = either.log_probs(row, candidates[row])
    inside = np.arange(4) < lengths[row][:, None]
    np.testing.assert_allclose(
        scores[row], np.where(inside, each, 0).sum(axis=1), atol=1e-4
    )


def test_scores_of_one_token_are_a_distribution(tiny):
  candidates = np.broadcast_to(np.arange(6, dtype=np.int32), (4, 6))[..., None]
  scores = tiny.jit(decoding.score)(
      tiny.params, *tiny.read, candidates, np.ones((4, 6), np.int32)
  )
  np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1.0, atol=1e-5)
  np.testing.assert_array_equal(
      np.argmax(scores, axis=1), np.argmax(tiny.read[0], axis=1)
  )

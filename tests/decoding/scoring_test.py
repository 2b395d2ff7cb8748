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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of candidates are sums of the full forward's log-probabilities."""

import numpy as np

from flamingo_jax import decoding
from flamingo_jax.predictor.candidates import Trees


def test_scores_equal_the_full_forward(either):
  rng = np.random.default_rng(0)
  # Some begin alike; the last but one is the beginning of the last, as where
  # <EOC> is counted.
  tokens = rng.integers(0, 3, (4, 5, 4)).astype(np.int32)
  tokens[:, 4] = tokens[:, 3]
  lengths = np.array([[1, 2, 4, 2, 4], [3, 1, 2, 3, 4], [2, 4, 1, 1, 2],
                      [1, 3, 4, 3, 4]])
  candidates = [
      [ids[:n].tolist() for ids, n in zip(*row)] for row in zip(tokens, lengths)
  ]
  trees = Trees(candidates)
  arrays = trees.arrays(range(4))
  part = lambda x: x[:, 0]
  parts = decoding.Candidates(
      part(arrays.read), arrays.branches.replace(
          depth=part(arrays.branches.depth), sees=part(arrays.branches.sees)
      ), part(arrays.parent), part(arrays.token),
  )
  found = either.jit(decoding.score)(either.params, *either.read, parts)
  scores = trees.sums(range(4), np.asarray(found)[:, None])
  for row in range(4):
    each = either.log_probs(row, tokens[row])
    inside = np.arange(4) < lengths[row][:, None]
    np.testing.assert_allclose(
        scores[row], np.where(inside, each, 0).sum(axis=1), atol=1e-5
    )

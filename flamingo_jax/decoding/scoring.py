# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Close-ended answers: the log-likelihood of candidates (Flamingo B.1.5)."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.decoding.prefill import Answering, extend
from flamingo_jax.models import Branches, Cache
from flamingo_jax.typing import Array, Float, Int, Tree


@struct.dataclass
class Candidates:
  """Continuations of each prompt; what several begin with is there once.

  'a cat', 'a dog' and 'birds' have four steps, of which the first is read:

          goes on from   token
    0     0, the prompt  a
    1     1, the first   cat
    2     1              dog
    3     0              birds
  """

  read: Int[Array | np.ndarray, '*B N']  # tokens that others go on from
  branches: Branches  # how these stand
  # What each step goes on from: the prompt, 0, or one of the tokens read, from 1.
  parent: Int[Array | np.ndarray, '*B E']
  token: Int[Array | np.ndarray, '*B E']  # of each step


def score(
    model: Answering,
    params: Tree,
    logits: Float[Array, 'B V'],
    cache: Cache,
    candidates: Candidates,
) -> Float[Array, 'B E']:
  """Log-probability of each step; a candidate's is the sum of its steps' (§2.3).

  In nats, and not the mean, as the paper's 'rank by log-likelihood' (B.1.5). All
  steps of a row are read at once behind one cache; `logits` and `cache`, with
  room for the longest candidate, are those of `read_prompts`.
  """
  after = logits[:, None]
  if candidates.read.shape[1]:
    more, _ = extend(model, params, candidates.read, cache, candidates.branches)
    after = jnp.concatenate([after, more], axis=1)
  rows = jnp.arange(len(logits))[:, None]
  chosen = after[rows, candidates.parent, candidates.token]
  total = jax.nn.logsumexp(after, axis=-1)
  return chosen - jnp.take_along_axis(total, candidates.parent, axis=1)

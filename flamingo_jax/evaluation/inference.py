# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Answers and scores of batches of evaluation examples (Flamingo B.1.5).

Both drivers call these two functions, on the features of
`evaluation.tasks.OUTPUT_FEATURES` with a leading batch axis.
"""

from collections.abc import Mapping

from flamingo_jax import decoding
from flamingo_jax.models import Cache, Flamingo
from flamingo_jax.typing import Array, Float, Tree

BEAMS = 3  # the paper's, for every open-ended task


def predict(
    module: Flamingo,
    params: Tree,
    batch: Mapping[str, Array],
    *,
    stop: int,
    beams: int = BEAMS,
) -> decoding.Decoded:
  """What the model says after each prompt, at most as many tokens as `targets`.

  Args:
    module: the model.
    params: its whole tree.
    batch: features [B ...].
    stop: <EOC>.
    beams: of the search.
  """
  logits, cache = _read(module, params, batch)
  return decoding.beam_search(
      module, params, logits, cache, beams=beams,
      max_new_tokens=batch['targets'].shape[1], stop=stop,
  )


def score(
    module: Flamingo, params: Tree, batch: Mapping[str, Array]
) -> Float[Array, 'B']:
  """Log-likelihood of `targets` after each prompt, in nats; 0 of none.

  Args:
    module: the model.
    params: its whole tree.
    batch: features [B ...].
  """
  logits, cache = _read(module, params, batch)
  return decoding.score(
      module, params, logits, cache, batch['targets'][:, None],
      batch['lengths'][:, 1:],
  )[:, 0]


def _read(
    module: Flamingo, params: Tree, batch: Mapping[str, Array]
) -> tuple[Float[Array, 'B V'], Cache]:
  """Logits of each prompt's next token, and the cache to go on from."""
  latents = decoding.encode_media(
      module, params, batch['media'], batch['media_mask']
  )
  prompts = decoding.Prompts(
      tokens=batch['tokens'],
      lengths=batch['lengths'][:, 0],
      media_index=batch['media_index'],
  )
  return decoding.read_prompts(
      module, params, prompts, latents, batch['targets'].shape[1]
  )

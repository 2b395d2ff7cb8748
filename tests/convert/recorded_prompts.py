# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a converted Flamingo computes, of prompts whose numbers are recorded."""

from collections.abc import Sequence
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.trainable import merge_params, split_params


def labelled(
    tokens: Any, lengths: Sequence[int], given: Sequence[int]
) -> np.ndarray:
  """Whether the token behind each but the last is scored."""
  is_token = np.arange(tokens.shape[1]) < np.array(lengths)[:, None]
  return (is_token & ~np.isin(tokens, given))[:, 1:]


def logits_of(
    folder: pathlib.Path, inputs: Sequence[Any], lengths: Sequence[int]
) -> np.ndarray:
  """Logits, 0 on padding."""
  module = stored_config(folder).build()
  logits = jax.jit(module.apply)({'params': load_params(folder)[0]}, *inputs)
  is_token = np.arange(logits.shape[1]) < np.array(lengths)[:, None]
  return logits * is_token[..., None]


def numbers(
    folder: pathlib.Path, inputs: Sequence[Any], lengths: Sequence[int],
    given: Sequence[int],
) -> tuple[np.ndarray, Any]:
  """Logits, 0 on padding; gradients of what is trained.

  Args:
    folder: of the model.
    inputs: tokens, the picture that each sees, pictures, which there are.
    lengths: of the prompts.
    given: entries that are not scored.
  """
  module = stored_config(folder).build()
  tokens, index, media, mask = inputs
  labels = labelled(tokens, lengths, given)
  is_token = np.arange(tokens.shape[1]) < np.array(lengths)[:, None]
  trained, frozen = split_params(load_params(folder)[0])

  def loss_of(trained, frozen):
    logits = module.apply(
        {'params': merge_params(trained, frozen)}, tokens, index, media, mask
    )
    nats = -jnp.take_along_axis(
        jax.nn.log_softmax(logits[:, :-1]), tokens[:, 1:, None], axis=-1,
        mode='clip',  # entries without a logit are not scored
    )[..., 0]
    return jnp.sum(nats * labels) / labels.sum(), logits

  gradients, logits = jax.jit(jax.grad(loss_of, has_aux=True))(trained, frozen)
  return logits * is_token[..., None], gradients


def greedy_tokens(
    folder: pathlib.Path, inputs: Sequence[Any], lengths: Sequence[int],
    given: Sequence[int],
) -> list[list[int]]:
  """The 20 likeliest tokens behind each prompt, none of `given`."""
  module = stored_config(folder).build()
  tokens, index, media, mask = inputs
  longest, new = max(lengths), 20

  @jax.jit
  def continue_prompts(params):
    apply = functools.partial(module.apply, {'params': params})
    latents = apply(media, mask, method='encode_media')
    state = apply(
        tokens[:, :longest], index, latents, jnp.array(lengths),
        longest + new, method='prefill',
    )

    def step(state, _):
      logits, cache = state
      token = logits.at[:, np.array(given)].set(-jnp.inf).argmax(-1)
      y, cache = apply(token[:, None], cache, method='extend')
      return (y[:, 0], cache), token

    return jax.lax.scan(step, state, None, new)[1].T

  return continue_prompts(load_params(folder)[0]).tolist()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts as arrays, and reading them once (Flamingo B.1.5)."""

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from flamingo_jax.models import Branches, Cache, Flamingo, LanguageModel
from flamingo_jax.typing import Array, Bool, Float, Int, Tree, UInt8

# What can be asked; of a language model alone, prompts have no media.
Answering = Flamingo | LanguageModel


@struct.dataclass
class Prompts:
  """The text of a batch of prompts, padded on the right."""

  tokens: Int[Array | np.ndarray, 'B L']
  lengths: Int[Array | np.ndarray, 'B']  # tokens of each prompt, at least 1
  # Into the row's latents, from 1; 0 for none.
  media_index: Int[Array | np.ndarray, 'B L']
  # Media that the last token of any sees together, at most; 0: any number.
  group: int = struct.field(pytree_node=False, default=0)


@struct.dataclass
class Decoded:
  """The continuation of each prompt, up to n tokens."""

  tokens: Int[Array, 'B n']  # `stop` from the first stop onwards
  lengths: Int[Array, 'B']  # tokens before the stop
  log_probs: Float[Array, 'B']  # summed over the tokens, and the stop if any


def encode_media(
    model: Flamingo,
    params: Tree,
    media: UInt8[Array, 'B M T h w 3'] | Float[Array, 'B M T _ C'],
    media_mask: Bool[Array, 'B M T'],
) -> Float[Array, 'B M R Dr']:
  """The latents of each medium; media_mask is False on padding.

  A medium's latents depend on nothing else, so that they can be computed once
  for all prompts that it is in.
  """
  return model.apply(
      {'params': params}, media, media_mask, method='encode_media'
  )


def read_prompts(
    model: Answering,
    params: Tree,
    prompts: Prompts,
    latents: Float[Array, 'B M R Dr'],
    max_new_tokens: int,
    prefix: Cache | None = None,
) -> tuple[Float[Array, 'B V'], Cache]:
  """Logits of each prompt's next token, and the cache to go on from.

  Args:
    model: the model.
    params: its whole tree, frozen and trainable.
    prompts: what to read.
    latents: of their media, M at least 1; of fewer, filled with anything.
    max_new_tokens: how many tokens the cache keeps room for.
    prefix: from `read_prefix`, of what stands before all prompts, each of
      which then begins with a medium.
  """
  return model.apply(
      {'params': params}, prompts.tokens, prompts.media_index, latents,
      prompts.lengths, prompts.tokens.shape[1] + max_new_tokens, prefix,
      *((prompts.group,) if prompts.group else ()), method='prefill',
  )


def read_prefix(
    model: Answering,
    params: Tree,
    prefix: Prompts,
    latents: Float[Array, '1 M R Dr'],
) -> Cache:
  """Reads what many prompts begin with, such as shots, for `read_prompts`.

  The prefix is one row without padding, with one medium at least; the model's
  text sees the last medium only (FlamingoConfig.shares_prefixes).
  """
  return read_prompts(model, params, prefix, latents, max_new_tokens=0)[1]


def read_on(
    model: Answering,
    params: Tree,
    prompts: Prompts,
    latents: Float[Array, 'B M R Dr'],
    cache: Cache,
) -> tuple[Float[Array, 'B V'], Cache]:
  """Reads more of prompts; `latents` are of all media that the new text sees.

  The cache needs room for the L of `prompts`, padding included.
  """
  return model.apply(
      {'params': params}, prompts.tokens, prompts.media_index, latents,
      prompts.lengths, cache, *((prompts.group,) if prompts.group else ()),
      method='read_on',
  )


def extend(
    model: Answering, params: Tree, tokens: Int[Array | np.ndarray, 'B n'],
    cache: Cache, branches: Branches | None = None,
) -> tuple[Float[Array, 'B n V'], Cache]:
  """Logits after each of n more tokens, which see the last medium only."""
  return model.apply({'params': params}, tokens, cache, branches, method='extend')


def log_prob(
    logits: Float[Array, '*B V'], tokens: Int[Array, '*B']
) -> Float[Array, '*B']:
  """Log-probability of the tokens under softmax(logits)."""
  chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
  return chosen - jax.nn.logsumexp(logits, axis=-1)

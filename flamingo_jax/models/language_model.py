# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The language model by itself, as it is before Flamingo (paper §2.2, App. B).

The decoder without gated blocks and without <EOC>. Its parameters have the
names and shapes that they have in Flamingo, where they are frozen: layers are
stacked in the groups of `xattn_every`.
"""

import dataclasses

from flax import linen as nn

from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.branches import Branches
from flamingo_jax.models.cache import Cache
from flamingo_jax.models.decoder import Decoder
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.unembedding import Unembedding
from flamingo_jax.typing import Array, Float, Int


@dataclasses.dataclass(frozen=True)
class LanguageModelConfig(Architecture):
  """The part of a FlamingoConfig that is the language model."""

  MODEL = 'a language model'

  decoder: DecoderConfig
  dtype: str = 'bfloat16'  # of activations; norms, softmax, logits are float32


class LanguageModel(nn.Module):
  """Text tokens to next-token logits."""

  config: LanguageModelConfig

  def setup(self):
    """The decoder, under its name in Flamingo."""
    cfg = self.config
    self.decoder = Decoder(cfg.decoder, cfg.dtype, added=False)

  def __call__(
      self,
      tokens: Int[Array, 'B L'],
      segments: Int[Array, 'B L'] | None = None,
  ) -> Float[Array, 'B L V']:
    """Float32 logits over the vocabulary.

    `segments` says which document of its row each token is of; None: rows are
    one document each.
    """
    x, unembed = self.states(tokens, segments)
    return unembed.logits(x)

  def states(
      self,
      tokens: Int[Array, 'B L'],
      segments: Int[Array, 'B L'] | None = None,
  ) -> tuple[Float[Array, 'B L D'], Unembedding]:
    """As a call: what makes the logits."""
    return self.decoder(tokens, None, None, segments=segments)[:2]

  def prefill(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      lengths: Int[Array, 'B'],
      cache_length: int,
      prefix: Cache | None = None,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """As `Flamingo.prefill`, of prompts that have no media."""
    del media_index, latents
    return self.decoder.prefill(
        tokens, None, None, lengths, cache_length, prefix
    )

  def read_on(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'] | None,
      latents: Float[Array, 'B M R Dr'] | None,
      lengths: Int[Array, 'B'],
      cache: Cache,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """As `Flamingo.read_on`, of prompts that have no media."""
    del media_index, latents
    return self.decoder.read_on(tokens, None, None, lengths, cache)

  def extend(
      self, tokens: Int[Array, 'B n'], cache: Cache,
      branches: Branches | None = None,
  ) -> tuple[Float[Array, 'B n V'], Cache]:
    """As `Flamingo.extend`."""
    return self.decoder.extend(tokens, cache, branches, sees_media=False)

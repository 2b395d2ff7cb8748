# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Flamingo: read this first (Flamingo §2, figure 3).

  media -> NFNet -> Perceiver Resampler -> 64 latents per image or video
                                              |
  tokens -> embed -> [GATED XATTN-DENSE -> k frozen LM layers] x G -> logits

`media_index` says which medium each token sees; the model itself knows no
<image> token. `prefill` and `extend` are the same computation with a cache.
"""

from collections.abc import Callable
import contextlib
import dataclasses

from flax import linen as nn

from flamingo_jax.errors import UserError
from flamingo_jax.models import int8
from flamingo_jax.models.architecture import Architecture
from flamingo_jax.models.branches import Branches
from flamingo_jax.models.cache import Cache
from flamingo_jax.models.decoder import Decoder
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.lora import LoraConfig, added
from flamingo_jax.models.resampler import PerceiverResampler, ResamplerConfig
from flamingo_jax.models.unembedding import Unembedding
from flamingo_jax.models.vision import (
    Vision,
    encode,
    vision_encoder,
)
from flamingo_jax.typing import Array, Bool, Float, Int, UInt8


@dataclasses.dataclass(frozen=True)
class FlamingoConfig(Architecture):
  """The architecture of one member of the zoo; `variants` holds the zoo."""

  MODEL = 'a Flamingo'

  vision: Vision
  resampler: ResamplerConfig
  decoder: DecoderConfig
  image_size: int = 320  # pixels a side
  dtype: str = 'bfloat16'  # of activations; norms, softmax, logits are float32
  # That frozen weights are stored in; 'int8': their linear maps, and the rest in
  # bfloat16 (models/int8.py).
  frozen_dtype: str = 'bfloat16'
  # Towers that are trained with the rest, as where none are given.
  trains_language_model: bool = False
  trains_vision_encoder: bool = False
  lora: LoraConfig = LoraConfig()  # low-rank updates of towers

  def __post_init__(self):
    known = ('float32', 'bfloat16', 'int8')
    if self.frozen_dtype not in known:
      raise UserError(
          f'frozen_dtype is {self.frozen_dtype!r} and must be one of '
          f'{", ".join(known)}'
      )

  @property
  def trained_towers(self) -> tuple[str, ...]:
    """Modules that are trained although the paper freezes them."""
    if self.lora.alone:
      return ()
    return ('decoder',) * self.trains_language_model + (
        'vision_encoder',
    ) * self.trains_vision_encoder

  @property
  def shares_prefixes(self) -> bool:
    """Whether text sees none of the media that come before its prompt's."""
    return True

  def build(self) -> 'Flamingo':
    """The model; ablations/ has configs that build others."""
    return Flamingo(self)


class Flamingo(nn.Module):
  """Text tokens and interleaved media to next-token logits."""

  config: FlamingoConfig
  make_resampler: Callable[..., nn.Module] = PerceiverResampler
  make_decoder: Callable[..., Decoder] = Decoder

  def setup(self):
    """Modules; their names are the paths of the checkpoint."""
    cfg = self.config
    self.vision_encoder = vision_encoder(cfg.vision, cfg.dtype)
    self.resampler = self.make_resampler(cfg.resampler, cfg.dtype)
    self.decoder = self.make_decoder(cfg.decoder, cfg.dtype)

  def __call__(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'],
      media: UInt8[Array, 'B M T h w 3'] | Float[Array, 'B M T _ C'],
      media_mask: Bool[Array, 'B M T'],
      segments: Int[Array, 'B L'] | None = None,
  ) -> Float[Array, 'B L V']:
    """Float32 logits; V is the vocabulary and, last, <EOC>.

    Args:
      tokens: ids of the text, tags included.
      media_index: the medium each token sees, from 1; 0 for none.
      media: pixels; an image is one frame, or a few tiles (tiled_vit.py). Or
        arrays of another modality (array_encoder.py).
      media_mask: False on frames, or whole media, that are padding.
      segments: which document of its row each token is of; None: all of one.
    """
    cfg = self.config
    with contextlib.ExitStack() as stack:
      if self.is_initializing():  # parameters are made here, and nowhere else
        if cfg.frozen_dtype == 'int8':
          stack.enter_context(int8.scaled(cfg.trained_towers))
        stack.enter_context(added(cfg.lora, cfg.trained_towers))
      x, unembed = self.states(
          tokens, media_index, self.features(media, media_mask), media_mask,
          segments,
      )
    return unembed.logits(x)

  def states(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'],
      features: Float[Array, 'B M _ P Dv'],
      media_mask: Bool[Array, 'B M T'],
      segments: Int[Array, 'B L'] | None = None,
  ) -> tuple[Float[Array, 'B L D'], Unembedding]:
    """As a call, of the vision encoder's features: what makes the logits."""
    latents = self.resample(features, media_mask)
    return self.decoder(tokens, media_index, latents, segments=segments)[:2]

  def encode_media(
      self,
      media: UInt8[Array, 'B M T h w 3'] | Float[Array, 'B M T _ C'],
      media_mask: Bool[Array, 'B M T'],
  ) -> Float[Array, 'B M R Dr']:
    """The latents of each medium, on its own (Flamingo §2.1)."""
    return self.resample(self.features(media, media_mask), media_mask)

  def features(
      self,
      media: UInt8[Array, '*media h w 3'] | Float[Array, '*media _ C'],
      media_mask: Bool[Array, '*media'] | None = None,
  ) -> Float[Array, '*_ P Dv']:
    """The vision encoder's features of each frame; tiles need the mask."""
    return encode(self.vision_encoder, self.config.vision, media, media_mask)

  def resample(
      self,
      features: Float[Array, 'B M _ P Dv'],
      media_mask: Bool[Array, 'B M T'],
  ) -> Float[Array, 'B M R Dr']:
    """Latents of each medium, from its features."""
    batch, count, frames = media_mask.shape
    latents = self.resampler(
        features.reshape(batch * count, *features.shape[2:]),
        media_mask.reshape(batch * count, frames),
    )
    return latents.reshape(batch, count, *latents.shape[1:])

  def prefill(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'],
      latents: Float[Array, 'B M R Dr'],
      lengths: Int[Array, 'B'],
      cache_length: int,
      prefix: Cache | None = None,
      group: int = 0,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """Reads prompts, padded on the right to one length.

    Prompts that begin alike, as with the same shots, may share what comes
    first: it is read and kept once, and each prompt pays for its own tokens.

    Args:
      tokens: ids of the prompts.
      media_index: the medium each token sees.
      latents: from `encode_media`.
      lengths: tokens of each prompt, at least 1.
      cache_length: positions to keep room for, prompt and continuation.
      prefix: the cache of one row, full (its `cache_length` was its length),
        of what stands before all prompts. They begin with their own media:
        `media_index` numbers these, and sees none of the prefix.
      group: of models whose text sees neighbouring media together, how many any
        prompt's last token sees at most; 0: as many as there are.

    Returns:
      Logits of each prompt's next token, and the cache to extend. Of the media
      it keeps only the keys and values of each prompt's last one, which is all
      that later tokens see.
    """
    return self.decoder.prefill(
        tokens, media_index, latents, lengths, cache_length, prefix, group
    )

  def read_on(
      self,
      tokens: Int[Array, 'B L'],
      media_index: Int[Array, 'B L'],
      latents: Float[Array, 'B M R Dr'],
      lengths: Int[Array, 'B'],
      cache: Cache,
      group: int = 0,
  ) -> tuple[Float[Array, 'B V'], Cache]:
    """Reads more of prompts, padded on the right to one length L.

    Args:
      tokens: ids behind those that the cache has.
      media_index: the medium that each sees, of `latents`.
      latents: of all media that they see, those of earlier tokens too.
      lengths: how many tokens there are of each row, at least 1.
      cache: has room for L positions behind those of each row.
      group: as of `prefill`.

    Returns:
      Logits of each row's next token, and the cache to extend or read on with.
    """
    return self.decoder.read_on(
        tokens, media_index, latents, lengths, cache, group
    )

  def extend(
      self, tokens: Int[Array, 'B n'], cache: Cache,
      branches: Branches | None = None,
  ) -> tuple[Float[Array, 'B n V'], Cache]:
    """Logits after each of n more tokens, which see what the last one saw.

    The cache is that of all tokens, or of the prompt alone if these branch.
    """
    return self.decoder.extend(tokens, cache, branches)

  def language_model(self, tokens: Int[Array, 'B L']) -> Float[Array, 'B L V']:
    """The frozen language model alone: what Flamingo is before training."""
    x, unembed, _ = self.decoder(tokens, None, None)
    return unembed.logits(x)

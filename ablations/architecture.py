# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ablations that are models of their own, by name."""

from collections.abc import Callable, Mapping
import dataclasses
import functools
from typing import Any

from flamingo_jax.ablations.decoders import (
    AllPreviousImagesDecoder,
    GraftedDecoder,
    UngatedGroup,
    VanillaGroup,
)
from flamingo_jax.ablations.resamplers import (
    MLPResampler,
    TransformerResampler,
)
from flamingo_jax.errors import UserError
from flamingo_jax.models import Flamingo, FlamingoConfig, variants
from flamingo_jax.models.decoder import Decoder

# The parts that a Flamingo has instead of its own.
_PARTS: Mapping[str, Callable[[FlamingoConfig], dict[str, Any]]] = {
    'no_gate': lambda _: {
        'make_decoder': functools.partial(Decoder, group=UngatedGroup)
    },
    'vanilla_xattn': lambda _: {
        'make_decoder': functools.partial(Decoder, group=VanillaGroup)
    },
    'grafting': lambda _: {'make_decoder': GraftedDecoder},
    'all_previous_images': lambda config: {
        'make_decoder': functools.partial(
            AllPreviousImagesDecoder, latents=config.resampler.latents
        )
    },
    'mlp_resampler': lambda _: {'make_resampler': MLPResampler},
    'transformer_resampler': lambda _: {
        'make_resampler': TransformerResampler
    },
}


@dataclasses.dataclass(frozen=True)
class AblatedConfig(FlamingoConfig):
  """A Flamingo with another part in the place of one of its own."""

  ablation: str = ''  # a key of _PARTS

  @property
  def shares_prefixes(self) -> bool:
    """As of FlamingoConfig."""
    return self.ablation != 'all_previous_images'

  def build(self) -> Flamingo:
    """The model; UserError if there is no such ablation."""
    if self.ablation not in _PARTS:
      raise UserError(
          f'unknown architecture {self.ablation!r} of an ablation: there are '
          f'{", ".join(_PARTS)}'
      )
    return Flamingo(self, **_PARTS[self.ablation](self))


def variant(
    name: str, overrides: Mapping[str, Any] | None = None, ablation: str = ''
) -> FlamingoConfig:
  """As `models.variants.get`, or an ablation of it: a part that is another."""
  config = variants.get(name, overrides)
  if not ablation:
    return config
  fields = {
      field.name: getattr(config, field.name)
      for field in dataclasses.fields(config)
  }
  return AblatedConfig(**fields, ablation=ablation)

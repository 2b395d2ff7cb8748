# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The ablations that are models of their own, by name."""

from collections.abc import Mapping
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
from flamingo_jax.models.lora import LoraConfig


@dataclasses.dataclass(frozen=True)
class AblatedConfig(FlamingoConfig):
  """A Flamingo with another part in the place of one of its own."""

  ablation: str = ''  # what the part is

  @property
  def shares_prefixes(self) -> bool:
    """As of FlamingoConfig."""
    return self.ablation != 'all_previous_images'

  def build(self) -> Flamingo:
    """The model; UserError if there is no such ablation."""
    decoders = {
        'no_gate': functools.partial(Decoder, group=UngatedGroup),
        'vanilla_xattn': functools.partial(Decoder, group=VanillaGroup),
        'grafting': GraftedDecoder,
        'all_previous_images': functools.partial(
            AllPreviousImagesDecoder, latents=self.resampler.latents
        ),
    }
    resamplers = {
        'mlp_resampler': MLPResampler,
        'transformer_resampler': TransformerResampler,
    }
    if self.ablation in decoders:
      return Flamingo(self, make_decoder=decoders[self.ablation])
    if self.ablation in resamplers:
      return Flamingo(self, make_resampler=resamplers[self.ablation])
    raise UserError(
        f'unknown ablation {self.ablation!r}: there are '
        f'{", ".join([*decoders, *resamplers])}'
    )


def variant(
    name: str, overrides: Mapping[str, Any] | None = None, ablation: str = '',
    lora: LoraConfig | None = None, frozen_dtype: str | None = None,
) -> FlamingoConfig:
  """As `models.variants.get`, or an ablation of it: a part that is another.

  Args:
    name: as there.
    overrides: likewise.
    ablation: a key of `AblatedConfig.build`; '' for none.
    lora: low-rank updates; None: those that the overrides say.
    frozen_dtype: 'float32', 'bfloat16' or 'int8'; None: likewise.
  """
  config = variants.get(name, overrides)
  told = {'lora': lora, 'frozen_dtype': frozen_dtype}
  config = dataclasses.replace(
      config, **{field: x for field, x in told.items() if x is not None}
  )
  if not ablation:
    return config
  fields = {
      field.name: getattr(config, field.name)
      for field in dataclasses.fields(config)
  }
  return AblatedConfig(**fields, ablation=ablation)

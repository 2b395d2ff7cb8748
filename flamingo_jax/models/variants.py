# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The zoo: the Flamingos of the paper, two tiny ones, and those of `public`.

Flamingo-9B: the paper's table 4 says 40 layers and 10 blocks, but its published
counts (7.1B + 1.6B) are those of 32 and 8, Gopher's 7.1B shape. The counts win;
`get('flamingo_9b', {'decoder.layers': 40})` builds the table's.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

from flamingo_jax.errors import UserError
from flamingo_jax.models.decoder_config import DecoderConfig
from flamingo_jax.models.flamingo import FlamingoConfig
from flamingo_jax.models.public import PUBLIC
from flamingo_jax.models.resampler import ResamplerConfig

VARIANTS: Mapping[str, FlamingoConfig] = {
    # Of the shapes world; its weights are shipped (docs/model_card.md).
    'flamingo_tiny': FlamingoConfig(
        vision='tiny',
        resampler=ResamplerConfig(
            layers=1, width=96, heads=4, head_size=24, latents=4
        ),
        # The vocabulary of the shapes world (tasks/shapes_vocabulary.py).
        decoder=DecoderConfig(
            vocab=840, layers=3, width=128, heads=8, head_size=16,
            xattn_every=1, context=128,
            unroll=3,
        ),
        image_size=48,
        dtype='float32',
        frozen_dtype='float32',
    ),
    # For data of one's own on a CPU.
    'flamingo_small': FlamingoConfig(
        vision='tiny',
        resampler=ResamplerConfig(
            layers=2, width=128, heads=4, head_size=32, latents=16
        ),
        # The vocabulary that ships with the package.
        decoder=DecoderConfig(
            vocab=2048, layers=4, width=128, heads=4, head_size=32,
            xattn_every=1, context=1024,
        ),
        image_size=64,
        dtype='float32',
        frozen_dtype='float32',
    ),
    'flamingo_3b': FlamingoConfig(
        vision='F6',
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=32_000, layers=24, width=2048, heads=16, xattn_every=1
        ),
    ),
    'flamingo_9b': FlamingoConfig(
        vision='F6',
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=32_000, layers=32, width=4096, heads=32, xattn_every=4
        ),
    ),
    'flamingo_80b': FlamingoConfig(
        vision='F6',
        resampler=ResamplerConfig(),
        decoder=DecoderConfig(
            vocab=32_000, layers=80, width=8192, heads=64, xattn_every=7
        ),
    ),
    **PUBLIC,
}


def get(
    name: str, overrides: Mapping[str, Any] | None = None
) -> FlamingoConfig:
  """A member of the zoo, with fields replaced by dotted name.

  For example get('flamingo_9b', {'decoder.layers': 40, 'image_size': 480}).

  Raises:
    UserError: an unknown member or field; says which there are.
  """
  if name not in VARIANTS:
    raise UserError(
        f'unknown variant {name!r}: there are {", ".join(sorted(VARIANTS))}'
    )
  return _replace(VARIANTS[name], overrides or {})


def _replace(config: Any, values: Mapping[str, Any]) -> Any:
  """The dataclass with fields replaced, all at once: they have to fit."""
  fields = [f.name for f in dataclasses.fields(config)]
  changed: dict[str, Any] = {}
  inner: dict[str, dict[str, Any]] = {}
  for path, value in values.items():
    field, _, rest = path.partition('.')
    if field not in fields:
      raise UserError(
          f'{type(config).__name__} has no field {field!r}: there are '
          f'{", ".join(fields)}'
      )
    if rest and not dataclasses.is_dataclass(getattr(config, field)):
      raise UserError(f'{field!r} is a value and has no field {rest!r}')
    if rest:
      inner.setdefault(field, {})[rest] = value
    else:
      changed[field] = value
  for field, rest in inner.items():
    changed[field] = _replace(
        changed.get(field, getattr(config, field)), rest
    )
  return dataclasses.replace(config, **changed)

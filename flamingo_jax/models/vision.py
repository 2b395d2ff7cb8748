# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Vision encoders by name: NFNets, and ViTs to compare with (Flamingo §2.1)."""

from flamingo_jax.errors import UserError
from flamingo_jax.models.nfnet import NFNETS, NFNet
from flamingo_jax.models.vit import VITS, ViT


def vision_encoder(variant: str, dtype: str) -> NFNet | ViT:
  """A row of nfnet.NFNETS or vit.VITS, as a module; UserError if there is none.

  From pictures [N h w 3] to a grid of features [N _ _ Dv]; its property
  `features` is Dv.
  """
  if variant in NFNETS:
    return NFNet(variant, dtype)
  if variant in VITS:
    return ViT(variant, dtype)
  raise UserError(
      f'unknown vision encoder {variant!r}: there are '
      f'{", ".join((*NFNETS, *VITS))}'
  )

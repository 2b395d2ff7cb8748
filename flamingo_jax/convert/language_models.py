# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which public language models are known, by config.json's model_type."""

import pathlib

from flamingo_jax.convert import gpt_neox
from flamingo_jax.convert import llama
from flamingo_jax.convert import mpt
from flamingo_jax.convert import opt
from flamingo_jax.convert.hub_folder import IRRELEVANT, Attributes, Tensors
from flamingo_jax.convert.rules import Mapping
from flamingo_jax.errors import UserError

FAMILIES = {
    **dict.fromkeys(llama.FAMILIES, llama.mapping),
    'gpt_neox': gpt_neox.mapping,
    'mpt': mpt.mapping,
    'mosaic_gpt': mpt.mapping,
    'opt': opt.mapping,
}
def find_mapping(folder: pathlib.Path, config: Attributes, tensors: Tensors) -> (
    Mapping
):
  """How the model of a folder becomes one of ours.

  Raises:
    UserError: its family, or an attribute of it, is not known.
  """
  kind = config.take('model_type')
  if kind not in FAMILIES:
    raise UserError(
        f'{folder}: models of type {kind!r} are not known; known are '
        f'{", ".join(sorted(FAMILIES))}'
    )
  found = FAMILIES[kind](kind, config, tensors)
  config.ignore(*IRRELEVANT)
  config.finish()
  return found

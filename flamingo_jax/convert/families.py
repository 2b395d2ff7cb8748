# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which public models are known, by config.json's model_type."""

import os
import pathlib

from flamingo_jax.convert import clip
from flamingo_jax.convert import dinov2
from flamingo_jax.convert import gpt_neox
from flamingo_jax.convert import llama
from flamingo_jax.convert import mpt
from flamingo_jax.convert import nfnet
from flamingo_jax.convert import open_clip
from flamingo_jax.convert import opt
from flamingo_jax.convert import timm
from flamingo_jax.convert.hub_folder import (
    CONFIG,
    IRRELEVANT,
    Attributes,
    Tensors,
    read_json,
)
from flamingo_jax.convert.pickled import PickledTensors
from flamingo_jax.convert.pixels import read_pixels
from flamingo_jax.convert.rules import Mapping
from flamingo_jax.errors import UserError

LANGUAGE_MODELS = {
    **dict.fromkeys(llama.FAMILIES, llama.mapping),
    'gpt_neox': gpt_neox.mapping,
    'mpt': mpt.mapping,
    'mosaic_gpt': mpt.mapping,
    'opt': opt.mapping,
}
VISION_ENCODERS = {
    **dict.fromkeys(clip.FAMILIES, clip.mapping),
    **dict.fromkeys(dinov2.FAMILIES, dinov2.mapping),
}


def read_config(folder: pathlib.Path) -> tuple[str, Attributes]:
  """What kind of model a folder holds, and all else that its config says.

  Raises:
    UserError: it has no config that is known here.
  """
  path = folder / CONFIG
  if not path.exists() and (folder / open_clip.CONFIG).exists():
    path = folder / open_clip.CONFIG
    return 'open_clip', Attributes(read_json(path), os.fspath(path))
  if not path.exists() and (found := _haiku_files(folder)):
    return 'haiku', Attributes({}, os.fspath(found[0]))
  values = read_json(path)
  config = Attributes(values, os.fspath(path))
  if 'model_type' not in values and 'architecture' in values:
    return 'timm', config
  return str(config.take('model_type')), config


def open_tensors(folder: pathlib.Path, kind: str) -> Tensors:
  """Those of a folder, as a model of this kind has them.

  Raises:
    UserError: they cannot be read.
  """
  if kind == 'haiku':
    return PickledTensors(*_haiku_files(folder))
  return Tensors(folder)


def _haiku_files(folder: pathlib.Path) -> list[pathlib.Path]:
  """The one file of DeepMind's parameters, if there is any.

  Raises:
    UserError: there are several.
  """
  found = sorted(folder.glob('*_haiku.npz'))
  if len(found) > 1:
    raise UserError(f'{folder} holds {len(found)} files *_haiku.npz; leave the '
                    'one to convert')
  return found


def find_mapping(
    folder: pathlib.Path, kind: str, config: Attributes, tensors: Tensors
) -> Mapping:
  """How the model of a folder becomes one of ours.

  Raises:
    UserError: its family, or an attribute of it, is not known.
  """
  if kind == 'open_clip':
    found = open_clip.mapping(config, tensors)
  elif kind == 'timm':
    found = timm.mapping(config, tensors)
  elif kind == 'haiku':
    found = nfnet.from_haiku(tensors)
  elif kind in VISION_ENCODERS:
    found = VISION_ENCODERS[kind](kind, config, tensors, read_pixels(folder))
  elif kind in LANGUAGE_MODELS:
    found = LANGUAGE_MODELS[kind](kind, config, tensors)
  else:
    known = ', '.join(sorted(LANGUAGE_MODELS | VISION_ENCODERS))
    raise UserError(
        f'{folder}: models of type {kind!r} are not known; known are {known}'
    )
  config.ignore(*IRRELEVANT)
  config.finish()
  return found

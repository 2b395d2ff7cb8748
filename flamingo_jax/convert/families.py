# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which public models are known, by config.json's model_type."""

import os
import pathlib

from flamingo_jax.convert import clip
from flamingo_jax.convert import dinov2
from flamingo_jax.convert import gpt_neox
from flamingo_jax.convert import idefics
from flamingo_jax.convert import llama
from flamingo_jax.convert import mllama
from flamingo_jax.convert import mpt
from flamingo_jax.convert import nfnet
from flamingo_jax.convert import open_clip
from flamingo_jax.convert import opt
from flamingo_jax.convert import timm
from flamingo_jax.convert.defaults import DEFAULTS
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
    **dict.fromkeys([*llama.FAMILIES, 'gemma3'], llama.mapping),
    'gpt_neox': gpt_neox.mapping,
    'mpt': mpt.mapping,
    'mosaic_gpt': mpt.mapping,
    'opt': opt.mapping,
}
VISION_ENCODERS = {
    **dict.fromkeys(clip.FAMILIES, clip.mapping),
    **dict.fromkeys(dinov2.FAMILIES, dinov2.mapping),
}

# With their towers in one folder.
FLAMINGOS = {'idefics': idefics.mapping, 'mllama': mllama.mapping}


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
  config = Attributes(read_json(path), os.fspath(path))
  if 'model_type' not in config and 'architecture' in config:
    return 'timm', config
  kind = str(config.take('model_type'))
  if kind == 'gemma3':  # beside a vision encoder of its own
    kind, config = 'gemma3_text', _text_part(config)
  return kind, config.with_defaults(DEFAULTS.get(kind, {}))


def _text_part(config: Attributes) -> Attributes:
  """The language model of one that sees."""
  part = config.part_if_any('text_config') or Attributes({}, config.path)
  config.ignore('vision_config', 'mm_tokens_per_image', 'boi_token_index',
                'eoi_token_index', 'image_token_index', 'tie_word_embeddings',
                *IRRELEVANT)
  config.finish()
  part.ignore('model_type')
  return part


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
  quantised = config.part_if_any('quantization_config')
  if quantised:
    method = quantised.take_if_any('quant_method')
    raise UserError(
        f'{folder}: its weights are quantised ({method}), which are not known '
        'here; use the model that they were made of'
    )
  if kind == 'open_clip':
    found = open_clip.mapping(config, tensors)
  elif kind == 'timm':
    found = timm.mapping(config, tensors)
  elif kind == 'haiku':
    found = nfnet.from_haiku(tensors)
  elif kind in VISION_ENCODERS:
    found = VISION_ENCODERS[kind](kind, config, tensors, read_pixels(folder))
  elif kind in FLAMINGOS:
    _expect_code(kind, config)
    found = FLAMINGOS[kind](config, tensors, read_pixels(folder))
  elif kind in LANGUAGE_MODELS:
    _expect_code(kind, config)
    found = LANGUAGE_MODELS[kind](kind, config, tensors)
  else:
    known = ', '.join(sorted(LANGUAGE_MODELS | VISION_ENCODERS | FLAMINGOS))
    inner = config.part_if_any('text_config')
    inner = inner and inner.take_if_any('model_type')
    raise UserError(
        f'{folder}: models of type {kind!r} are not known; known are {known}'
        + f'; the {inner} in it may be known by its own name' * bool(inner)
    )
  config.ignore(*IRRELEVANT)
  config.finish()
  return found


def _expect_code(kind: str, config: Attributes) -> None:
  """That a model is computed by the code that its type stands for."""
  named = config.take_if_any('architectures')
  remote = config.part_if_any('auto_map')
  remote = remote and remote.take_if_any('AutoModelForCausalLM')
  names = [*(named if isinstance(named, list) else [named]), remote]
  stem = kind.removesuffix('_text').replace('_', '')
  for name in filter(None, names):
    if not str(name).rsplit('.', 1)[-1].lower().startswith(stem):
      raise UserError(
          f'{config.path}: {name} computes it, which is not known here as a '
          f'{kind}; the model might compute something else'
      )

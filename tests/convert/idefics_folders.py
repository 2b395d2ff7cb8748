# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""IDEFICS of the references, as folders of the hub and converted."""

import functools
import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax.convert import conversion
from tests.convert.reference_weights import added_values
from tests.convert.vision_encoders_test import pictures

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'idefics.json').read_text())
MODELS = TOLD['models']


def shown(row, column):
  """The picture of a prompt, as record_idefics.py has it."""
  number = 3 * row + column
  return ((pictures(12)[0].astype(int) + 40 * number) % 256).astype(np.uint8)


def inputs(name):
  """Tokens, the picture that each sees, pictures, which there are."""
  told = MODELS[name]
  tokens, index = np.array(told['ids']), np.array(told['index'])
  media = np.zeros((len(tokens), 3, 1, 12, 12, 3), np.uint8)
  mask = np.zeros(media.shape[:3], bool)
  for row, prompt in enumerate(TOLD['prompts']):
    for column in range(prompt.count('i')):
      media[row, column, 0], mask[row, column] = shown(row, column), True
  return [jnp.asarray(x) for x in (
      tokens.astype(np.int32), index.astype(np.int32), media, mask
  )]


def tensors_of(name):
  """The weights that were recorded."""
  return {
      key: added_values(key, tuple(shape))
      for key, shape in MODELS[name]['tensors'].items()
  }


def write_folder(folder, name, tensors=None, config=None):
  """A folder as the hub has it."""
  told = MODELS[name]
  folder.mkdir(exist_ok=True)
  save_file(
      tensors_of(name) if tensors is None else tensors,
      folder / 'model.safetensors',
  )
  for file, values in (
      ('config', told['config'] if config is None else config),
      ('tokenizer', told['tokenizer']),
      ('tokenizer_config', {'bos_token': '<s>', 'eos_token': '</s>'}),
      ('preprocessor_config', told['processor']),
  ):
    (folder / f'{file}.json').write_text(json.dumps(values))
  return folder


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
  """The folder of a converted model."""

  @functools.cache
  def convert(name):
    folder = tmp_path_factory.mktemp(name)
    conversion.convert(write_folder(folder / 'hub', name), folder / 'model')
    return folder / 'model'

  return convert

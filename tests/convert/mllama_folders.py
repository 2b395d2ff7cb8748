# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Llama 3.2 Visions of the references, as folders of the hub and converted."""

import functools
import json
import pathlib

import pytest
from safetensors.numpy import save_file

from flamingo_jax.convert import conversion
from tests.convert.reference_weights import added_values

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'mllama.json').read_text())
MODELS = TOLD['models']


def tensors_of(name):
  """The weights that were recorded."""
  return {
      key: added_values(key, tuple(shape))
      for key, shape in MODELS[name]['tensors'].items()
  }


def write_folder(folder, name, tensors=None, config=None):
  """A folder as the hub has it; of 'chat', with a template."""
  told = MODELS[name]
  folder.mkdir(exist_ok=True)
  save_file(
      tensors_of(name) if tensors is None else tensors,
      folder / 'model.safetensors',
  )
  settings = {
      'bos_token': '<|begin_of_text|>', 'eos_token': told['eos'],
      'pad_token': '<pad>',
  }
  for file, values in (
      ('config', told['config'] if config is None else config),
      ('tokenizer', told['tokenizer']), ('tokenizer_config', settings),
      ('preprocessor_config', told['processor']),
  ):
    (folder / f'{file}.json').write_text(json.dumps(values))
  if name == 'chat':
    (folder / 'chat_template.json').write_text(
        json.dumps({'chat_template': TOLD['template']})
    )
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

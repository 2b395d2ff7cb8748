# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""IDEFICS of the references, as folders of the hub and converted."""

import json
import pathlib

import numpy as np

from tests.convert import whole_folders

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'idefics.json').read_text())
MODELS = TOLD['models']


def inputs(name):
  """Tokens, the picture that each sees, pictures, which there are."""
  told = MODELS[name]
  return whole_folders.with_pictures(
      np.array(told['ids']), np.array(told['index']), TOLD['prompts']
  )


def tensors_of(name):
  """The weights that were recorded."""
  return whole_folders.recorded_tensors(MODELS[name])


def write_folder(folder, name, tensors=None, config=None):
  """A folder as the hub has it."""
  told = MODELS[name]
  return whole_folders.write(
      folder, tensors_of(name) if tensors is None else tensors,
      config=told['config'] if config is None else config,
      tokenizer=told['tokenizer'],
      tokenizer_config={'bos_token': '<s>', 'eos_token': '</s>'},
      preprocessor_config=told['processor'],
  )


converted = whole_folders.converting(write_folder)

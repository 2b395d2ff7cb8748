# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Llama 3.2 Visions of the references, as folders of the hub and converted."""

import json
import pathlib

from tests.convert import whole_folders

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'mllama.json').read_text())
MODELS = TOLD['models']


def tensors_of(name):
  """The weights that were recorded."""
  return whole_folders.recorded_tensors(MODELS[name])


def write_folder(folder, name, tensors=None, config=None):
  """A folder as the hub has it; of 'chat', with a template."""
  told = MODELS[name]
  template = {'chat_template': {'chat_template': TOLD['template']}}
  return whole_folders.write(
      folder, tensors_of(name) if tensors is None else tensors,
      config=told['config'] if config is None else config,
      tokenizer=told['tokenizer'],
      tokenizer_config={
          'bos_token': '<|begin_of_text|>', 'eos_token': told['eos'],
          'pad_token': '<pad>',
      },
      preprocessor_config=told['processor'],
      **(template if name == 'chat' else {}),
  )


converted = whole_folders.converting(write_folder)

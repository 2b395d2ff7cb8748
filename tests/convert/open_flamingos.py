# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OpenFlamingos of the references, as files and converted."""

import functools
import json
import pathlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from flamingo_jax.convert import conversion
from flamingo_jax.convert import whole
from tests.convert import torch_files
from tests.convert import whole_folders
from tests.convert.conversion_test import TOKENIZER
from tests.convert.reference_weights import added_values, values
from tests.convert.vision_encoders_test import write_encoder

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'flamingos.json').read_text())
MODELS = TOLD['models']
TABLES = {'mpt': 'transformer.wte', 'neox': 'gpt_neox.embed_in',
          'llama': 'model.embed_tokens', 'opt': 'model.decoder.embed_tokens'}


def inputs(name):
  """Tokens, the picture that each sees, pictures, which there are."""
  told = MODELS[name]
  tokens = np.array(told['ids'])
  index = np.cumsum(tokens == told['words'] + 1, axis=1)
  return whole_folders.with_pictures(tokens, index, TOLD['prompts'])


def checkpoint(name):
  """What the maker's training saves, tensors by name."""
  told = MODELS[name]
  tensors = {
      key: added_values(key, tuple(shape))
      for key, shape in told['checkpoint'].items()
  }
  tables = {f'lang_encoder.{TABLES[name]}.weight': f'{TABLES[name]}.weight'}
  if name == 'neox':
    tables['lang_encoder.embed_out.weight'] = 'embed_out.weight'
  for key, base in tables.items():
    rows = values(base, tuple(told['tensors'][base]))[: told['words']]
    name_now = key.replace('embed_out', 'lm_head')  # which the record has
    added = added_values(name_now, (told['added'], rows.shape[1]))
    tensors[key] = np.concatenate([rows, added])
  return tensors


def write_towers(root):
  """Makes towers in a folder: (language model of a name, vision encoder)."""
  (root / 'clip').mkdir()
  write_encoder(root / 'clip', 'open_clip')
  conversion.convert(root / 'clip', root / 'vision')

  @functools.cache
  def convert(name):
    told, folder = MODELS[name], root / f'{name}_hub'
    folder.mkdir()
    save_file({
        key: values(key, tuple(shape)) for key, shape in told['tensors'].items()
    }, folder / 'model.safetensors')
    (folder / 'config.json').write_text(json.dumps(told['config']))
    tokenizer = dict(TOKENIZER)
    if told['first']:
      (first,) = told['first']
      text = TOKENIZER['added_tokens'][first]['content']
      piece = {'SpecialToken': {'id': text, 'type_id': 0}}
      tokenizer['post_processor'] = {
          'type': 'TemplateProcessing',
          'single': [piece, {'Sequence': {'id': 'A', 'type_id': 0}}],
          'pair': [piece, {'Sequence': {'id': 'A', 'type_id': 0}},
                   {'Sequence': {'id': 'B', 'type_id': 0}}],
          'special_tokens': {
              text: {'id': text, 'ids': [first], 'tokens': [text]}
          },
      }
    (folder / 'tokenizer.json').write_text(json.dumps(tokenizer))
    (folder / 'tokenizer_config.json').write_text(
        json.dumps({'bos_token': '<s>', 'eos_token': '</s>'})
    )
    conversion.convert(folder, root / name)
    return root / name

  return lambda name: (convert(name), root / 'vision')


def write_converted(folder, name, towers):
  """The folder of a converted model, in another folder."""
  torch_files.save(folder / 'checkpoint.pt', checkpoint(name))
  whole.convert(folder / 'checkpoint.pt', *towers(name), folder / 'model',
                TOLD['head_size'])
  return folder / 'model'


@pytest.fixture(scope='module')
def towers(tmp_path_factory):
  """(language model of a name, vision encoder)."""
  return write_towers(tmp_path_factory.mktemp('towers'))


@pytest.fixture(scope='module')
def converted(towers, tmp_path_factory):
  """The folder of a converted model."""
  return functools.cache(
      lambda name: write_converted(tmp_path_factory.mktemp(name), name, towers)
  )

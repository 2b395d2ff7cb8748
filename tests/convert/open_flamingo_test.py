# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted OpenFlamingos against what the maker's code computes.

references/record_flamingos.py made the references.
"""

import os

from flax import traverse_util
import jax
import numpy as np
import optax
import PIL.Image
import pytest
from safetensors.numpy import save_file

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.convert import exporting
from flamingo_jax.convert import open_flamingo
from flamingo_jax.convert import whole
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.models import variants
from flamingo_jax.models.vision import picture_size
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.pretrained import TrainStateInitializer
from flamingo_jax.run_dir.towers import (
    stored_encoder,
    tower_image_size,
    tower_overrides,
    tower_vocabulary,
)
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.trainable import merge_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.convert import stepped_runs
from tests.convert.open_flamingos import (  # pylint: disable=unused-import
    MODELS,
    REFERENCES,
    TABLES,
    TOLD,
    converted,
    inputs,
    towers,
)
from tests.convert.recorded_prompts import greedy_tokens, logits_of, numbers
from tests.convert.whole_folders import shown

FOUND = np.load(REFERENCES / 'flamingos.npz')
# By prompts as users write them.
ANSWERED = 'mpt', 'llama'


@pytest.mark.parametrize('name', MODELS)
def test_numbers_are_those_of_the_maker(converted, towers, tmp_path, name):
  told = MODELS[name]
  arguments = (
      converted(name), inputs(name), told['lengths'], [told['words'] + 1]
  )
  logits, gradients = numbers(*arguments)
  np.testing.assert_allclose(logits, FOUND[f'{name}/logits'], atol=5e-5)
  check_gradients(gradients, name, towers, tmp_path)
  if name not in ANSWERED:
    assert greedy_tokens(*arguments) == told['greedy']


def check_gradients(gradients, name, towers, tmp_path):
  """A gradient has the layout of its parameter, so it converts like one."""
  told, prefix = MODELS[name], f'{name}/gradient/'
  expected = {
      key.removeprefix(prefix): FOUND[key] for key in FOUND if
      key.startswith(prefix)
  }
  table = f'lang_encoder.{TABLES[name]}.weight'
  added = expected[table]
  expected[table] = np.concatenate(
      [np.zeros((told['words'], added.shape[1]), np.float32), added]
  )
  save_file(expected, tmp_path / 'gradients.safetensors')
  tensors = open_flamingo.open_tensors(tmp_path / 'gradients.safetensors')
  language_model, vision = towers(name)
  mapping = open_flamingo.mapping(
      tensors, stored_config(language_model), 55, stored_encoder(str(vision)),
      TOLD['head_size'],
  )
  found = traverse_util.flatten_dict(gradients)
  wanted = whole._added(mapping, tensors)
  for path in found.keys() - {('decoder', 'new_token_unembedding')}:
    np.testing.assert_allclose(
        found[path], wanted[path], rtol=1e-4,
        atol=1e-5 * np.abs(wanted[path]).max(), err_msg=str(path),
    )


@pytest.mark.parametrize('name', ANSWERED)
def test_prompts_are_read_as_the_maker_reads_them(converted, name):
  told, model = MODELS[name], fj.load(converted(name))
  prompts = []
  for row, prompt in enumerate(TOLD['prompts']):
    media = iter(range(3))
    prompts.append([
        fj.image(shown(row, next(media))) if part == 'i' else f'w{part} '
        # The maker's users write the end of a chunk, which comes by itself.
        for part in prompt if part != 'e'
    ])
  expected = []
  for greedy in told['greedy']:
    said = greedy[: (greedy + [told['words']]).index(told['words'])]
    expected.append(' '.join(f'w{i}' for i in said if i < told['words']))
  # All begin with what the last one does, two pictures without text in it.
  prefix, query = prompts[3][:3], prompts[1][:1] + ['w8 ']
  *found, alone = model.generate(
      [*prompts, prefix + query], max_new_tokens=20
  )
  assert found == expected
  if name == 'mpt':  # whose positions are relative
    assert model.generate([query], max_new_tokens=20, prefix=prefix) == [alone]
  else:
    mesh = fj.load(converted(name), mesh={'fsdp': 8}, rules='fsdp')
    assert mesh.generate(prompts, max_new_tokens=20) == expected


def test_a_run_begins_with_its_weights_and_nothing_else_told(converted):
  folder = os.fspath(converted('neox'))
  config = variants.get(
      'flamingo_small', tower_overrides('', '', weights=folder)
  )
  assert config == stored_config(folder)
  assert tower_image_size('', 'flamingo_small', folder) == picture_size(
      config.vision, 12
  )
  vocabulary = tower_vocabulary('', pytest.fail, folder)
  model = FlamingoModel(config, vocabulary, optax.sgd(0.1))
  partitioner = Partitioner(devices=jax.devices()[:1])
  state, frozen = TrainStateInitializer(
      model, partitioner, weights=folder
  ).from_scratch(jax.random.key(0))
  expected = load_params(folder)[0]
  jax.tree.map(
      np.testing.assert_array_equal, merge_params(state.params, frozen), expected
  )


def test_what_went_on_is_what_its_maker_reads(converted, towers, tmp_path):
  """The added rows of its head too, which the maker's checkpoints lack."""
  told = MODELS['llama']
  stepped_runs.save(tmp_path / 'run', *stepped_runs.step(
      converted('llama'), inputs('llama'), told['lengths'], [told['words'] + 1]
  ))
  exporting.export(tmp_path / 'run', tmp_path / 'export', 'openflamingo')
  whole.convert(tmp_path / 'export', *towers('llama'), tmp_path / 'again',
                TOLD['head_size'])
  logits = logits_of(tmp_path / 'again', inputs('llama'), told['lengths'])
  np.testing.assert_allclose(
      logits, np.load(REFERENCES / 'exports.npz')['llama'], atol=5e-5
  )


def test_documents_are_made_as_the_maker_made_them(converted):
  picture = fj.image(shown(0, 0))
  parts = ['w5', picture, 'w7 w8', picture, picture, 'w9']
  names = lambda name: Vocabulary(converted(name) / 'vocabulary.model').pieces(
      tokenize_document(
          parts, Vocabulary(converted(name) / 'vocabulary.model')
      ).tokens
  )
  ended = ['w5', '<image>', 'w7', 'w8', '<|endofchunk|>', '<image>', '<image>',
           'w9', '<|endofchunk|>', '<EOS>']
  assert names('mpt') == ended
  assert names('llama') == ['<BOS>', *ended]


def test_explain_shows_them(converted, tmp_path, capsys):
  PIL.Image.fromarray(shown(0, 0)).save(tmp_path / 'a.png')
  image = f'--image={tmp_path}/a.png'
  assert not cli.main([
      'explain', f'--model_dir={converted("mpt")}', '--text=w5', image,
      '--text=w6', image, '--prompt=w7',
  ])
  found = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
  assert [line[1:4] for line in found] == [
      ['w5', 'none', '0'], ['<image>', 'image', '1'], ['w6', 'image', '1'],
      ['<|endofchunk|>', 'image', '1'], ['<image>', 'image', '2'],
      ['w7', 'image', '2'],
  ]


def test_no_text_is_a_tag(converted):
  vocabulary = Vocabulary(converted('mpt') / 'vocabulary.model')
  for text in ('<image>', 'w5<|endofchunk|>', '<PAD>', '</s>'):
    for is_first in (False, True):
      ids = vocabulary.encode_part(text, is_first)
      assert max(ids) < vocabulary.base_size
      assert not {vocabulary.eos_id, vocabulary.bos_id} & set(ids)
  assert vocabulary.decode([5, *range(55, 58), 6]) == 'w5 w6'

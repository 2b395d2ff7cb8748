# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted IDEFICS against what transformers computes.

references/record_idefics.py made the references.
"""

from flax import traverse_util
import numpy as np
import PIL.Image
import pytest

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.convert import conversion
from flamingo_jax.convert import exporting
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.run_dir.model_json import stored_config
from tests.convert import stepped_runs
from tests.convert.idefics_folders import (  # pylint: disable=unused-import
    MODELS,
    REFERENCES,
    TOLD,
    converted,
    inputs,
    tensors_of,
    write_folder,
)
from tests.convert.recorded_prompts import greedy_tokens, logits_of, numbers
from tests.convert.whole_folders import as_params, shown

FOUND = np.load(REFERENCES / 'idefics.npz')


@pytest.mark.parametrize('name', MODELS)
def test_numbers_are_those_of_the_maker(converted, tmp_path, name):
  told = MODELS[name]
  arguments = converted(name), inputs(name), told['lengths'], told['given']
  logits, gradients = numbers(*arguments)
  np.testing.assert_allclose(logits, FOUND[f'{name}/logits'], atol=5e-5)
  check_gradients(gradients, name, tmp_path)
  if name == 'plain':  # others answer below
    assert greedy_tokens(*arguments) == told['greedy']


def recorded(name, what, like, folder):
  """What was recorded of the trained tensors, as a tree like that of ours."""
  prefix = f'{name}/{what}/'
  write_folder(folder, name, tensors_of(name) | {
      key.removeprefix(prefix): FOUND[key] for key in FOUND
      if key.startswith(prefix)
  })
  return as_params(folder, {
      path: x.shape for path, x in traverse_util.flatten_dict(like).items()
  })


def check_gradients(gradients, name, tmp_path):
  """A gradient has the layout of its parameter, so it converts like one."""
  wanted = recorded(name, 'gradient', gradients, tmp_path / 'gradients')
  for path, found in traverse_util.flatten_dict(gradients).items():
    largest = np.abs(wanted[path]).max()
    atol = 2e-5 * largest  # float32 sums, in another order; as of float64
    if path[-2:] == ('key_norm', 'bias'):  # common to all keys: nothing hangs on it
      atol = 1e-7
    elif path[-1].endswith('_gate'):  # one sum of everything, which cancels
      atol = 1e-4 * largest
    np.testing.assert_allclose(
        found, wanted[path], rtol=1e-4, err_msg=str(path), atol=atol
    )


def test_a_step_makes_the_weights_that_torch_makes(converted, tmp_path):
  told = MODELS['instruct']
  model, state, frozen = stepped_runs.step(
      converted('instruct'), inputs('instruct'), told['lengths'], told['given']
  )
  assert model.config == stored_config(converted('instruct'))
  wanted = recorded('instruct', 'stepped', state.params, tmp_path / 'stepped')
  for path, found in traverse_util.flatten_dict(state.params).items():
    # Where a gradient is near 0, a step is 100 times what it is off (rate / eps).
    # Of float64, ours and torch's are equally far, by other seeds: up to 5e-6.
    np.testing.assert_allclose(
        found, wanted[path], rtol=1e-4, err_msg=str(path),
        atol=2e-5 * np.abs(wanted[path]).max(),
    )
  # And goes out again, where its maker's code has read such an export.
  stepped_runs.save(tmp_path / 'run', model, state, frozen)
  exporting.export(tmp_path / 'run', tmp_path / 'export', 'idefics')
  conversion.convert(tmp_path / 'export', tmp_path / 'again')
  logits = logits_of(tmp_path / 'again', inputs('instruct'), told['lengths'])
  np.testing.assert_allclose(
      logits, np.load(REFERENCES / 'exports.npz')['instruct'], atol=5e-5
  )


def parts_of(row):
  """A prompt as users write it."""
  media = iter(range(3))
  return [
      fj.image(shown(row, next(media))) if part == 'i'
      else fj.END_OF_CHUNK if part == 'e' else part
      for part in TOLD['prompts'][row]
  ]


def answers(name):
  """The words of recorded answers."""
  told, found = MODELS[name], []
  stop = told['given'][1] + 1 if name == 'instruct' else 2
  for greedy in told['greedy']:
    said = greedy[: (greedy + [stop]).index(stop)]
    found.append(' '.join(f'w{i}' for i in said if 3 <= i < 55))
  return found


def test_prompts_are_answered_as_the_maker_answers_them(converted):
  model, expected = fj.load(converted('base')), answers('base')
  prompts = [parts_of(row) for row in range(4)]
  # A picture behind two others, the last of which has no text.
  prefix, query = ['w3', *prompts[1][:2]], [prompts[0][1], 'w8']
  *found, alone = model.generate(
      [*prompts, prefix + query], max_new_tokens=20
  )
  assert found == expected
  assert model.generate([query], max_new_tokens=20, prefix=prefix) == [alone]
  with pytest.raises(fj.UserError, match="holds '<image>', .*fj.image"):
    model.generate(['w3<image>'])


def test_a_mesh_answers_alike(converted):
  model = fj.load(converted('instruct'), mesh={'fsdp': 8}, rules='fsdp')
  prompts = [parts_of(row) for row in range(4)]
  assert model.generate(prompts, max_new_tokens=20) == answers('instruct')


@pytest.mark.parametrize('name', MODELS)
def test_prompts_are_tokens_as_the_processor_makes_them(converted, name):
  vocabulary = Vocabulary(converted(name) / 'vocabulary.model')
  for row, length in enumerate(MODELS[name]['lengths']):
    document = tokenize_document(parts_of(row), vocabulary, close=False)
    assert document.tokens.tolist() == MODELS[name]['ids'][row][:length]
    assert document.media_index.tolist() == MODELS[name]['index'][row][:length]


def test_documents_and_tags(converted):
  picture = fj.image(shown(0, 0))
  read = lambda name, parts: (
      vocabulary := Vocabulary(converted(name) / 'vocabulary.model'),
      tokenize_document(parts, vocabulary),
  )
  fake = '<fake_token_around_image>'
  parts = ['w5', picture, picture, ' w7 ', fj.END_OF_CHUNK, 'w8']
  for name, end, seen in (
      ('base', '<EOS>', [0] * 3 + [1] * 2 + [2] * 4 + [0] * 2),
      ('instruct', '<end_of_utterance>', [0] * 3 + [1] * 2 + [2] * 7),
  ):
    vocabulary, document = read(name, parts)
    ended = [end, '<EOS>'] if name == 'instruct' else ['<EOS>']
    assert vocabulary.pieces(document.tokens) == [
        '<BOS>', 'w5', fake, '<image>', fake, '<image>', fake, 'w7', end, 'w8',
        *ended,
    ]
    assert document.media_index.tolist() == seen[: len(document.tokens)]
    assert document.is_tag.tolist() == [
        2 <= i < 7 for i in range(len(document.tokens))
    ]
  # A text of spaces parts two tags, as for the processor.
  vocabulary, document = read('base', [picture, '  ', picture])
  assert vocabulary.pieces(document.tokens)[1:7] == [fake, '<image>', fake] * 2
  for text in ('<image>', fake, 'w5</s>', '<end_of_utterance>'):
    assert max(vocabulary.encode_part(text, is_first=False)) < 55
  assert vocabulary.decode([5, 55, 56, 2, 6]) == 'w5 w6'


def test_explain_shows_them(converted, tmp_path, capsys):
  PIL.Image.fromarray(shown(0, 0)).save(tmp_path / 'a.png')
  assert not cli.main([
      'explain', f'--model_dir={converted("base")}', '--text=w5',
      f'--image={tmp_path}/a.png', '--prompt=w7',
  ])
  lines = capsys.readouterr().out.splitlines()[1:]
  assert [line.split()[1:4] for line in lines] == [
      ['<BOS>', 'none', '0'], ['w5', 'none', '1'],
      ['<fake_token_around_image>', 'none', '0'], ['<image>', 'image', '1'],
      ['<fake_token_around_image>', 'image', '1'], ['w7', 'image', '1'],
  ]

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted Llama 3.2 Visions against what transformers computes.

references/record_mllama.py made the references.
"""

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

import flamingo_jax as fj
from flamingo_jax import cli
from flamingo_jax.data import media
from flamingo_jax.data.interleaved import tokenize_document
from flamingo_jax.data.vocabulary import Vocabulary
from flamingo_jax.models.tiled_vit import layout_ids
from flamingo_jax.models.vision import picture_size
from flamingo_jax.picture_size import PictureSize, Squaring
from flamingo_jax.run_dir.model_json import stored_config
from flamingo_jax.run_dir.weights import load_params
from flamingo_jax.training.trainable import split_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.convert.mllama_folders import (  # pylint: disable=unused-import
    MODELS,
    REFERENCES,
    converted,
    tensors_of,
    write_folder,
)
from tests.convert.photographs import photographs
from tests.convert.recorded_prompts import numbers
from tests.convert.shown_pictures import cut, shown
from tests.convert.whole_folders import as_params

FOUND = np.load(REFERENCES / 'mllama.npz')


def parts_of(name, row):
  """A prompt as users write it."""
  prompt = MODELS[name]['prompts'][row]
  pictures = iter(range(len(prompt)))
  return [
      fj.image(shown(row, next(pictures))) if part == 'i'
      else fj.END_OF_CHUNK if part == 'e' else part for part in prompt
  ]


def inputs(name, folder):
  """Tokens, the picture that each sees, tiles, and in which places they are."""
  told, config = MODELS[name], stored_config(folder)
  size = picture_size(config.vision, config.image_size)
  shape = len(told['ids']), max(map(len, told['ids']))
  tokens, index = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
  pixels = np.zeros(
      (shape[0], 4, size.squaring.places, size, size, 3), np.uint8
  )
  mask = np.zeros(pixels.shape[:3], bool)
  for row, ids in enumerate(told['ids']):
    tokens[row, : len(ids)] = ids
    index[row, : len(ids)] = np.array(told['sees'][row])[:, 1]
    for column in range(max(x for _, x in told['sees'][row])):
      pixels[row, column], mask[row, column] = media.load_frames(
          media.image(shown(row, column)), mask.shape[2], size, None
      )
  return [jnp.asarray(x) for x in (tokens, index, pixels, mask)]


@pytest.mark.parametrize('name', MODELS)
def test_numbers_are_those_of_the_maker(converted, tmp_path, name):
  told, folder = MODELS[name], converted(name)
  logits, gradients = numbers(
      folder, inputs(name, folder), [len(x) for x in told['ids']], told['given']
  )
  np.testing.assert_allclose(logits, FOUND[f'{name}/logits'], atol=5e-5)
  found = traverse_util.flatten_dict(gradients)
  wanted = recorded_gradients(
      name, {path: x.shape for path, x in found.items()}, tmp_path / 'gradients'
  )
  assert {path[0] for path in found} == {'decoder', 'resampler'}
  for path, gradient in found.items():
    largest = np.abs(wanted[path]).max()
    assert largest > 0 or path == ('decoder', 'new_token_embedding')
    np.testing.assert_allclose(
        gradient, wanted[path], rtol=1e-4, err_msg=str(path),
        # A gate's is one sum of everything, which cancels.
        atol=(1e-4 if path[-1].endswith('_gate') else 1e-5) * largest,
    )


def recorded_gradients(name, shapes, folder):
  """As parameters of ours: a gradient converts as its tensor does."""
  prefix = f'{name}/gradient/'
  write_folder(folder, name, tensors_of(name) | {
      key.removeprefix(prefix): FOUND[key] for key in FOUND
      if key.startswith(prefix)
  })
  return as_params(folder, shapes)


@pytest.mark.parametrize('name', MODELS)
def test_prompts_are_tokens_as_the_processor_makes_them(converted, name):
  vocabulary = Vocabulary(converted(name) / 'vocabulary.model')
  for row, ids in enumerate(MODELS[name]['ids']):
    document = tokenize_document(parts_of(name, row), vocabulary, close=False)
    assert document.tokens.tolist() == ids
    index = [last for _, last in MODELS[name]['sees'][row]]
    assert document.media_index.tolist() == index


def answers(name):
  """The words of recorded answers."""
  told, found = MODELS[name], []
  ids = dict(told['tokenizer']['model']['vocab'])
  ids |= {x['content']: x['id'] for x in told['tokenizer']['added_tokens']}
  words, stop = {i: text for text, i in ids.items()}, ids[told['eos']]
  for greedy in told['greedy']:
    said = greedy[: (greedy + [stop]).index(stop)]
    found.append(' '.join(words[i] for i in said if i > 2))
  return found


def test_prompts_are_answered_as_the_maker_answers_them(converted):
  model, expected = fj.load(converted('base')), answers('base')
  prompts = [parts_of('base', row) for row in range(5)]
  # Shots that are read once; their last picture has a text, so that it is not
  # seen together with that of the query.
  prefix, query = ['w3', *prompts[0][:5]], [prompts[1][0], prompts[1][1], 'w8']
  *found, alone, seen_together = model.generate(
      [*prompts, prefix + query, prefix[:-1] + query], max_new_tokens=20
  )
  assert found == expected
  assert model.generate([query], max_new_tokens=20, prefix=prefix) == [alone]
  assert model._inference._prefix[1] is not None
  model.forget()
  assert model.generate(
      [query], max_new_tokens=20, prefix=prefix[:-1]
  ) == [seen_together]
  assert model._inference._prefix[1] is None
  for prompt, words in (
      (['w3<|image|>'], r"holds '<\|image\|>', .*fj.image"),
      ([fj.video(np.zeros((2, 8, 8, 3), np.uint8))], 'sees images alone'),
  ):
    with pytest.raises(fj.UserError, match=words):
      model.generate(prompt)


def test_a_conversation_is_read_as_one_prompt(converted):
  model = fj.load(converted('base'))
  session, prompts, said = model.session(), [], []
  for row in (0, 1):
    turn = parts_of('base', row)
    for parts in (turn[:-1], turn[-1:]):  # groups of pictures, then their text
      prompts.append([*session.parts, *parts])
      said.append(session.say(parts, max_new_tokens=4))
  # All in one batch, which is one program.
  assert said == model.generate(prompts, max_new_tokens=4)
  words = ['w5 w6', 'w7']
  together = model.score([session.parts, prompts[0]], words)
  np.testing.assert_allclose(session.score(words), together[0], rtol=1e-5)


def test_a_mesh_answers_alike(converted):
  model = fj.load(converted('chat'), mesh={'fsdp': 8}, rules='fsdp')
  prompts = [parts_of('chat', row) for row in range(4)]
  assert model.generate(prompts, max_new_tokens=20) == answers('chat')


def test_a_step_encodes_pictures_of_all_data_at_once(converted):
  folder = converted('base')
  model = FlamingoModel(
      stored_config(folder), Vocabulary(folder / 'vocabulary.model'), None
  )
  params, frozen = split_params(load_params(folder)[0])
  tokens, index, pixels, mask = inputs('base', folder)
  examples = {
      'tokens': tokens, 'targets': jnp.roll(tokens, -1, 1), 'media_index': index,
      'loss_weights': jnp.ones(tokens.shape), 'media': pixels,
      'media_mask': mask,
  }
  # Of two data sets, one with fewer pictures.
  few = examples | {'media': pixels[:, :1], 'media_mask': mask[:, :1]}
  batch = {
      f'{name}/{key}': x[:, None]
      for name, data in (('own', examples), ('few', few))
      for key, x in data.items()
  }

  @jax.jit
  def losses(params, frozen):
    prepared = model.prepare(frozen, batch)
    of = lambda batch, name: model.summed_loss(params, frozen, {
        key.removeprefix(name): x[:, 0] for key, x in batch.items()
        if key.startswith(name)
    })[0]
    return [
        [of(x, name) for x in (batch, prepared)] for name in ('own/', 'few/')
    ]

  for direct, prepared in losses(params, frozen):
    np.testing.assert_allclose(prepared, direct, rtol=1e-6)


def test_documents_are_turns(converted):
  picture = fj.image(shown(0, 0))
  vocabulary = Vocabulary(converted('chat') / 'vocabulary.model')
  start, end, stop = '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'
  read = lambda parts: ' '.join(vocabulary.pieces(
      tokenize_document(parts, vocabulary).tokens
  ))
  caption = (f'<BOS> {start} user {end} <|image|> {{}}{stop} {start} assistant '
             f'{end} {{}}{stop}').replace(stop, '<EOS>')
  assert read([picture, 'w5 w6']) == caption.format('', 'w5 w6 ')
  assert read([picture, 'w5', fj.END_OF_CHUNK, 'w6']) == caption.format(
      'w5 ', 'w6 '
  )
  for text in ('<|image|>', start, stop, '<|begin_of_text|>'):
    assert max(vocabulary.encode_part(text, is_first=False)) < 52
  assert vocabulary.decode([5, 58, vocabulary.eoc_id, 1, 6]) == 'w5 w6'


def test_explain_shows_groups(converted, tmp_path, capsys):
  PIL.Image.fromarray(shown(0, 0)).save(tmp_path / 'a.png')
  image = f'--image={tmp_path}/a.png'
  assert not cli.main([
      'explain', f'--model_dir={converted("base")}', image, image, '--text=w5',
      image, '--prompt=w7',
  ])
  lines = capsys.readouterr().out.splitlines()[1:]
  both = 'image 1 (a.png), image 2 (a.png)'
  assert [line.split(maxsplit=2)[1] + ': ' + line.split(maxsplit=2)[2][:-1].strip()
          for line in lines] == [
      '<|image|>: image 1 (a.png)', f'<|image|>: {both}', f'<BOS>: {both}',
      f'w5: {both}', '<|image|>: image 3 (a.png)', 'w7: image 3 (a.png)',
  ]


@pytest.mark.parametrize('most', [4, 6])
def test_tiles_are_those_of_the_reference(most):
  size = PictureSize(19, Squaring('tiled', 'bilinear', tiles=most))
  wanted, start = FOUND[f'tiles/{most}'], 0
  pictures = cut(dict([*photographs().items()][:6]))
  for (name, pixels), layout in zip(
      pictures.items(), FOUND[f'layouts/{most}'], strict=True
  ):
    found, mask = media.load_frames(media.image(pixels), most + 1, size, None)
    columns = int(np.argmin(mask))
    assert layout_ids(most)[mask.sum() // columns, columns] == layout, name
    stop = start + mask.sum()
    far = np.abs(found[mask].astype(int) - wanted[start:stop])
    assert far.max(initial=0) <= 1, name
    assert not found[~mask].any()
    start = stop
  assert start == len(wanted)
  assert len({*FOUND[f'layouts/{most}']}) > 5

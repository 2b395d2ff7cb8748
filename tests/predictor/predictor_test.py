# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The Python API against the model's full forward pass, and its complaints."""

import functools
import os

import jax
import numpy as np
from PIL import Image
import pytest

import flamingo_jax as fj
from flamingo_jax import models
from flamingo_jax.data import interleaved
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.data.frames import Sampling
from flamingo_jax.data.media import load_frames
from flamingo_jax.predictor import inference
from flamingo_jax.predictor import media_encoder
from tests.random_weights import random_weights

STEPS = 5
RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
CAT, DOG, FISH = map(fj.image, PIXELS)
CLIP = fj.video(RNG.integers(0, 256, (3, 20, 30, 3), np.uint8))
PROMPTS = [
    [CAT, 'Output:'],
    [CAT, 'Output: a small cat', DOG, 'Output: a dog', FISH, 'Output:'],
    ['no picture'],
    [DOG],
]


@pytest.fixture(scope='module')
def forward(model):
  """log_probs(prompt, ids): of each next token, with one picture a medium."""
  flamingo = models.Flamingo(model.config)
  run = jax.jit(lambda *args: flamingo.apply({'params': model.params}, *args))

  def log_probs(prompt, ids):
    document = interleaved.tokenize_document(
        prompt, model.vocabulary, close=False
    )
    length = len(document.tokens)
    tokens, index = np.zeros((2, 1, 64), np.int32)
    tokens[0, :length] = document.tokens
    tokens[0, length : length + len(ids)] = ids
    index[0, :length] = document.media_index
    index[0, length:] = document.media_index[-1]
    media = np.zeros((1, 3, 1, 16, 16, 3), np.uint8)
    for i, medium in enumerate(document.media):
      media[0, i] = load_frames(medium, 1, 16, None)[0]
    logits = run(tokens, index, media, np.ones((1, 3, 1), bool))
    end = length + len(ids)
    return np.asarray(jax.nn.log_softmax(logits))[0, length - 1 : end]

  return log_probs


@pytest.mark.parametrize('prompt', PROMPTS, ids=len)
def test_generates_the_likeliest_tokens_of_the_full_forward(
    model, forward, prompt
):
  ids = []
  for _ in range(STEPS):
    ids.append(int(forward(prompt, ids)[-1].argmax()))
  expected = model.vocabulary.decode(ids).strip()
  assert expected
  assert model.generate(prompt, max_new_tokens=STEPS) == expected


@pytest.mark.parametrize(
    'options', [{}, {'beams': 3}, {'temperature': 1.0, 'top_p': 0.9}], ids=str
)
def test_prompts_together_are_as_alone(model, options):
  alone = [
      model.generate(prompt, max_new_tokens=STEPS, **options)
      for prompt in PROMPTS
  ]
  together = model.generate(
      PROMPTS, max_new_tokens=STEPS, batch_size=3, **options
  )
  # The first prompt has the same draws alone and in a list.
  count = 1 if 'temperature' in options else len(PROMPTS)
  assert together[:count] == alone[:count]
  assert len(set(together)) == len(PROMPTS)


def test_seed_decides_the_draws(model):
  draw = lambda seed: model.generate(
      [[CAT]] * 2, max_new_tokens=STEPS, temperature=2.0, seed=seed
  )
  assert draw(1) == draw(1) != draw(2)
  assert len(set(draw(1))) == 2  # the same prompt twice


def test_answer_ends_before_the_first_eoc(model):
  prompt = [CAT, 'Output:']
  document = interleaved.tokenize_document(
      prompt, model.vocabulary, close=False
  )
  ((tokens, _, _),) = model._inference.answer(
      [document], max_new_tokens=8, batch_size=1, sampling=Sampling(2, 1.0)
  )
  new = next(i for i in range(2, 8) if tokens[i] not in tokens[:i])
  # <EOC> takes the place of a token that was about to be said.
  decoder = dict(model.params['decoder'])
  row = decoder['token_embedder'][tokens[new]]
  decoder['new_token_embedding'] = 1.001 * row[None]
  eager = fj.Predictor(
      model.config, {**model.params, 'decoder': decoder}, model.vocabulary
  )
  expected = model.vocabulary.decode(tokens[:new]).strip()
  assert eager.generate(prompt, max_new_tokens=8) == expected


def test_scores_equal_the_full_forward(model, forward):
  candidates = ['a cat', 'yes', 'three dogs in the snow', 'no']
  scores = model.score(PROMPTS, candidates)
  assert scores.shape == (4, 4)
  closed = model.score(PROMPTS[1], candidates, close=True)
  for row, prompt in enumerate(PROMPTS):
    space = ' ' if isinstance(prompt[-1], str) else ''
    for column, text in enumerate(candidates):
      ids = model.vocabulary.encode(space + text)
      said = forward(prompt, ids)
      expected = said[np.arange(len(ids)), ids].sum()
      np.testing.assert_allclose(scores[row, column], expected, atol=1e-3)
      if row == 1:
        end = said[-1, model.vocabulary.eoc_id]
        np.testing.assert_allclose(closed[column], expected + end, atol=1e-3)


def test_separator_joins_text_with_text_only(model):
  score = lambda text, candidate, **options: model.score(
      [CAT, text], [candidate], **options
  )
  assert score('Output:', 'a cat') == score('Output:', ' a cat')
  assert score('Output:', 'a cat') != score(
      'Output:', 'a cat', separator=''
  )
  assert score('Output: ', 'a cat') == score(
      'Output: ', 'a cat', separator=''
  )


def test_candidates_in_several_goes_score_the_same(model, monkeypatch):
  candidates = ['a cat', 'yes', 'three dogs in the snow']
  expected = model.score(PROMPTS[:2], candidates)
  monkeypatch.setattr(inference, '_SCORING_BYTES', 1)  # room for one at a time
  np.testing.assert_allclose(
      model.score(PROMPTS[:2], candidates), expected, atol=1e-4
  )


def test_few_programs_answer_prompts_of_all_lengths_and_limits(model):
  lowered = []
  jax.monitoring.register_event_duration_secs_listener(
      lambda name, *_, **__: lowered.append(name) if 'mlir' in name else None
  )
  rng = np.random.default_rng(0)
  for _ in range(100):
    prompt = [part for medium in rng.choice([CAT, DOG, FISH], rng.integers(4))
              for part in (medium, 'word ' * rng.integers(1, 5))]
    model.generate(prompt or ['word'], max_new_tokens=int(rng.integers(1, 20)))
  assert len(lowered) <= 3


def test_as_many_media_fit_as_the_message_says(model):
  with pytest.raises(fj.UserError) as error:
    model.generate([CAT, 'a b c d e'] * 7, max_new_tokens=STEPS)
  fits = int(str(error.value).split('the last ')[1].split()[0])
  model.generate([CAT, 'a b c d e'] * fits, max_new_tokens=STEPS)
  with pytest.raises(fj.UserError):
    model.generate([CAT, 'a b c d e'] * (fits + 1), max_new_tokens=STEPS)


def test_vocabulary_of_another_size_is_told(model):
  config = models.variants.get('flamingo_tiny', {'decoder.vocab': 7})
  with pytest.raises(fj.UserError, match='entries and the language model 7'):
    fj.Predictor(config, model.params, model.vocabulary)


@pytest.fixture
def keeps(model):
  """The same weights, latents of nine media and what prefixes were."""
  return fj.Predictor(
      model.config, model.params, model.vocabulary, frames=2, keep_latents=9
  )


@pytest.fixture
def loaded(monkeypatch):
  """The media whose frames are read."""
  found = []
  monkeypatch.setattr(
      media_encoder, 'load_frames',
      lambda medium, *more: found.append(medium) or load_frames(medium, *more),
  )
  return found


def count_readings(predictor, monkeypatch):
  """A list that grows by each prefix that a predictor reads."""
  found, compiled = [], predictor._inference._read
  monkeypatch.setattr(
      predictor._inference, '_read',
      lambda *args: found.append(0) or compiled(*args),
  )
  return found


def test_latents_that_are_kept_change_nothing(model, tmp_path, loaded):
  files = []
  for i, pixels in enumerate(PIXELS):
    Image.fromarray(pixels).save(tmp_path / f'{i}.png')
    files.append(tmp_path / f'{i}.png')
  pictures = lambda: [fj.image(file) for file in files]
  keeps = fj.Predictor(
      model.config, model.params, model.vocabulary, frames=2, keep_latents=2
  )
  for count, new in ((2, [0, 1]), (2, []), (3, [2]), (1, [0])):
    prompt = [part for m in pictures()[:count] for part in (m, 'Output:')]
    loaded.clear()
    found = keeps.score(prompt, ['a cat', 'dog'])
    assert [medium.path for medium in loaded] == [str(files[i]) for i in new]
    expected = model.score(prompt, ['a cat', 'dog'])
    np.testing.assert_array_equal(found, expected)


def test_the_same_picture_is_encoded_once(keeps, loaded):
  copies = [fj.image(PIXELS[0].copy()) for _ in range(3)]
  keeps.score([copies[0], 'Output: a cat', copies[1], 'Output:'], ['a', 'b'])
  keeps.score([copies[2], 'Output:'], ['a', 'b'])
  assert loaded == copies[:1]


SHOTS = [CAT, 'Output: a small cat', END_OF_CHUNK, DOG, 'Output: a dog']


def test_a_prefix_is_read_once_and_changes_no_answer(model, monkeypatch):
  prompts = [[FISH, 'Output:'], [CAT, 'Output:'], [DOG, 'Output: what', CAT]]
  whole = [[*SHOTS, *prompt] for prompt in prompts]
  candidates = ['a cat', 'yes', 'no']
  read = count_readings(model, monkeypatch)
  scores = model.score(prompts, candidates, prefix=SHOTS)
  assert len(read) == 1
  np.testing.assert_allclose(
      scores, model.score(whole, candidates), rtol=1e-5, atol=1e-5
  )
  options = {'max_new_tokens': STEPS, 'beams': 3}
  said = model.generate(prompts, prefix=SHOTS, **options)
  assert said == model.generate(whole, **options)
  assert len(read) == 1 and len(set(said)) > 1
  # To the last bit it is what reading it again for the same prompts gives.
  other = model.score(prompts, candidates, prefix=SHOTS[:2])
  again = model.score(prompts, candidates, prefix=SHOTS)
  np.testing.assert_array_equal(again, scores)
  assert len(read) == 3 and np.abs(other - scores).max() > 1e-3
  # A text that sees the prefix's last picture cannot do without it.
  shots = [*SHOTS, END_OF_CHUNK]
  found = model.score(['Output:'], candidates, prefix=shots)
  np.testing.assert_array_equal(
      found, model.score([*shots, 'Output:'], candidates)
  )
  assert len(read) == 3


@pytest.mark.parametrize('kind', ['file', 'array'])
def test_what_is_kept_is_known_by_its_content(
    model, keeps, kind, tmp_path, monkeypatch
):
  # Of a file not its path, its time or its size; of an array not the object.
  frames = np.array(CLIP.data)
  path = tmp_path / 'shown.bmp'

  def show(pixels):
    frames[:] = pixels
    Image.fromarray(frames[0]).save(path)
    os.utime(path, (1, 1))

  def fresh():
    return fj.image(path) if kind == 'file' else fj.video(frames.copy())

  medium = fj.image(path) if kind == 'file' else fj.video(frames)
  read = count_readings(keeps, monkeypatch)
  def ask(predictor, shown):
    return predictor.score([[FISH]], ['yes', 'no'], prefix=[shown, 'a cat'])

  show(PIXELS[0])
  one = ask(keeps, medium)
  np.testing.assert_array_equal(ask(keeps, fresh()), one)
  assert len(read) == 1
  show(PIXELS[1])
  other = ask(keeps, medium)
  assert len(read) == 2 and np.abs(other - one).max() > 1e-3
  model.forget()
  np.testing.assert_array_equal(ask(model, fresh()), other)


def test_a_picture_that_is_overwritten_is_encoded_anew(
    model, keeps, loaded, tmp_path
):
  # By another of its size, by one of another size, and by what was there.
  path, found = tmp_path / 'shown.png', []
  shown = [PIXELS[0], PIXELS[1], np.tile(PIXELS[1], (2, 1, 1)), PIXELS[1]]
  for pixels, new in zip(shown, (1, 1, 1, 0)):
    Image.fromarray(pixels).save(path)
    os.utime(path, (1, 1))
    for prompt, prefix in (([FISH], [fj.image(path), 'a cat']),
                           ([fj.image(path), 'Output:'], [])):
      loaded.clear()
      kept = keeps.score([prompt], ['yes', 'no'], prefix=prefix)
      assert len([m for m in loaded if m.path == str(path)]) == (
          new if prefix else 0
      )
      model.forget()
      np.testing.assert_array_equal(
          kept, model.score([prompt], ['yes', 'no'], prefix=prefix)
      )
      found.append(kept)
  assert np.abs(found[0] - found[2]).max() > 1e-3
  np.testing.assert_array_equal(found[2], found[6])


def test_what_is_written_into_an_array_is_seen(model, keeps):
  frames = np.array(CLIP.data)
  medium = fj.video(frames)
  scores = []
  for pixels in (PIXELS[0], PIXELS[1]):
    frames[:] = pixels
    scores.append(keeps.score([medium, 'Output:'], ['yes', 'no']))
    np.testing.assert_array_equal(
        scores[-1],
        model.score([fj.video(frames.copy()), 'Output:'], ['yes', 'no']),
    )
  assert np.abs(scores[0] - scores[1]).max() > 1e-3
  # An image is what it was when it was made.
  pixels = PIXELS[0].copy()
  image = fj.image(pixels)
  pixels[:] = 0
  np.testing.assert_array_equal(
      keeps.score([image, 'Output:'], ['yes', 'no']),
      model.score([fj.image(PIXELS[0]), 'Output:'], ['yes', 'no']),
  )


def test_what_else_is_asked_changes_no_bit_of_scores(model):
  prompts = [[m, text] for text in ('Output:', 'a', 'b') for m in (CAT, DOG)]
  alone = [model.score(prompt, ['a cat', 'no']) for prompt in prompts]
  assert len(np.unique(alone)) == 12
  for size in (2, 4):
    together = model.score(prompts, ['a cat', 'no'], batch_size=size)
    np.testing.assert_array_equal(together, alone)


def test_features_are_those_of_each_medium(model):
  rows = model.embed([CAT, CLIP, DOG])
  assert rows.shape[0] == 3 and np.ptp(rows, axis=1).min() > 0
  close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
  close(model.embed([DOG])[0], rows[2])
  pixels, _ = load_frames(CLIP, 2, 16, None)
  frames = model.embed([fj.image(frame) for frame in pixels])
  close(frames.mean(axis=0), rows[1])


def test_weights_tell_checkpoints_apart(model):
  same = fj.Predictor(model.config, model.params, model.vocabulary, frames=1)
  assert same.sha256 == model.sha256 and len(same.sha256) == 64
  changed = jax.tree.map(lambda x: x, model.params)
  leaf = changed['decoder']['final_norm']['scale']
  changed['decoder']['final_norm']['scale'] = leaf.at[0].add(1e-3)
  other = fj.Predictor(model.config, changed, model.vocabulary, frames=1)
  assert other.sha256 != model.sha256

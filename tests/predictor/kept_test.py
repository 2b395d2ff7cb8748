# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Latents and prefixes that are kept, by the contents of their media."""

import os

import jax
import numpy as np
from PIL import Image
import pytest

import flamingo_jax as fj
from flamingo_jax.data.documents import END_OF_CHUNK
from flamingo_jax.predictor import media_encoder

RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]
CAT, DOG, FISH = map(fj.image, PIXELS)
STEPS = 5
SHOTS = [CAT, 'Output: a small cat', END_OF_CHUNK, DOG, 'Output: a dog']
CLIP = fj.video(RNG.integers(0, 256, (3, 20, 30, 3), np.uint8))


@pytest.fixture
def keeps(model):
  """The same weights, latents of nine media and what prefixes were."""
  return fj.Predictor(
      model.config, model.params, model.vocabulary, frames=2, keep_latents=9
  )


def count_readings(predictor, monkeypatch):
  """A list that grows by each prefix that a predictor reads."""
  found, compiled = [], predictor._inference._read_prefix
  monkeypatch.setattr(
      predictor._inference, '_read_prefix',
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


def test_a_picture_that_the_device_failed_at_is_that_of_its_prompt_alone(
    model, keeps, monkeypatch
):
  def fail(result):
    raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: out of memory')

  with monkeypatch.context() as patched:
    patched.setattr(media_encoder, 'fetch', fail)
    keeps.look_ahead([CAT, 'Output:'])
    keeps.look_ahead([DOG, 'Output:'])  # does not meet it
  prompt = [CAT, 'Output: a cat', DOG, 'Output:']
  assert not keeps._inference._encoder._kept
  reading = keeps.read(prompt, max_new_tokens=STEPS)
  np.testing.assert_array_equal(
      reading.logits, model.read(prompt, max_new_tokens=STEPS).logits
  )


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

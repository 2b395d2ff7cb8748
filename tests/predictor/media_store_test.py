# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept of media on disk changes no bit, and is never another model's."""

import dataclasses

import jax
import numpy as np
from PIL import Image
import pytest

import flamingo_jax as fj
from flamingo_jax import doctor, user_cache

RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(3)]


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
  """The user's cache folder."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'caches'))
  return tmp_path / 'caches/flamingo_jax/media'


@pytest.fixture
def pictures(tmp_path):
  """Their files, and a clip."""
  for i, pixels in enumerate(PIXELS):
    Image.fromarray(pixels).save(tmp_path / f'{i}.png')
  return [
      *(fj.image(tmp_path / f'{i}.png') for i in range(3)),
      fj.video(np.stack(PIXELS)),
  ]


@pytest.fixture(scope='module')
def keeps(model):
  """Of weights that differ from the model's: a predictor as in a new process."""
  predictor = fj.Predictor(
      model.config, model.params, model.vocabulary, frames=2, cache_media=True
  )

  def start(changed=()):
    predictor.forget()
    predictor._inference.params = model.params | dict(changed)
    return predictor

  return start


def ask(predictor, pictures):
  """Log-likelihoods and features."""
  prompt = [part for medium in pictures for part in (medium, 'Output:')]
  return predictor.score(prompt, ['a cat', 'dog']), predictor.embed(pictures)


def same(found, expected):
  return all(map(np.array_equal, found, expected))


def test_a_second_process_encodes_nothing(model, keeps, pictures, loaded, capsys):
  expected = ask(model, pictures)
  loaded.clear()
  assert same(ask(keeps(), pictures), expected)
  assert len(loaded) == 4  # features come with the latents
  loaded.clear()
  second = keeps()
  assert same(ask(second, pictures), expected) and not loaded
  # A clip of which other frames are read is another one.
  second.embed(pictures, frames=1)
  assert loaded == pictures[3:]
  assert ' 0 MB of at most 10,000' in doctor.check_media().text
  assert not capsys.readouterr().err


def double(model, name):
  """Changed weights."""
  return {name: jax.tree.map(lambda x: 2 * x, model.params[name])}


def test_other_weights_and_sizes_are_others(
    model, keeps, pictures, loaded, caches
):
  keeps().embed(pictures)
  size = 2 * model.config.image_size
  larger = fj.Predictor(
      dataclasses.replace(model.config, image_size=size), model.params,
      model.vocabulary, frames=2, cache_media=True,
  )
  for predictor in (keeps(double(model, 'resampler')), larger):
    loaded.clear()
    predictor.embed(pictures)
    assert len(loaded) == 4
  assert len(list(caches.iterdir())) == 3
  # Those of the language model alone do not matter.
  loaded.clear()
  keeps(double(model, 'decoder')).embed(pictures)
  assert not loaded


def test_what_is_damaged_is_made_anew(keeps, pictures, loaded, caches):
  expected = keeps().embed(pictures)
  (file,) = caches.glob('*/features')
  data = file.read_bytes()
  file.write_bytes(bytes([data[0] ^ 1]) + data[1:-1])
  for count in (2, 0):
    loaded.clear()
    np.testing.assert_array_equal(keeps().embed(pictures), expected)
    assert len(loaded) == count


def test_what_cannot_be_kept_is_told_once(
    keeps, pictures, caches, monkeypatch, capsys
):
  caches.parent.mkdir(parents=True)
  caches.write_text('no folder')
  predictor = keeps()
  for medium in pictures[:2]:
    predictor.embed([medium])
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith('note: features of pictures are not kept')
  assert doctor.check_media().status == 'note'
  caches.unlink()
  monkeypatch.setitem(user_cache.LARGEST, 'media', 2000)
  predictor = keeps()
  for medium in pictures[:2]:
    predictor.embed([medium])
  (line,) = capsys.readouterr().err.splitlines()
  assert f'({caches} is full)' in line


def test_the_oldest_make_room(
    model, keeps, pictures, caches, monkeypatch, capsys
):
  keeps().embed(pictures)
  size = user_cache.bytes_kept(caches)
  monkeypatch.setitem(user_cache.LARGEST, 'media', size * 3 // 2)
  keeps(double(model, 'resampler')).embed(pictures)
  assert not capsys.readouterr().err
  assert size <= user_cache.bytes_kept(caches) <= size * 3 // 2

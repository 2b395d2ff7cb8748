# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and fps, of a predictor and of each call."""

import dataclasses

import jax
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.vocabulary import default_vocabulary
from tests.random_weights import random_weights, tiny_config

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 256, (12, 20, 30, 3), np.uint8)  # one each second
CLIP = fj.video(FRAMES)
STILL = fj.image(FRAMES[5])
ANSWERS = ['a cat', 'yes']


@pytest.fixture(scope='module')
def model():
  config = tiny_config(
      vocab=default_vocabulary().base_size, layers=1, xattn_every=1, context=32
  )
  return fj.Predictor(
      config, random_weights(config, scale=0.3), default_vocabulary()
  )


def of(model, **more):
  """Another one of the same weights."""
  return fj.Predictor(model.config, model.params, model.vocabulary, **more)


def ask(model, medium=CLIP, **more):
  return model.score([medium, 'Output:'], ANSWERS, **more)


@pytest.mark.parametrize('asked, seconds', [
    # A clip of 12 seconds is covered evenly: 8 frames of it are 1.5 s apart.
    ({}, [0, 1.5, 3, 4.5, 6, 7.5, 9, 10.5]),
    ({'frames': 3}, [0, 4, 8]),
    ({'frames': 3, 'fps': 3}, [0, 4, 8]),
    ({'frames': 3, 'fps': 0.25}, [0, 4, 8]),  # just as long
    ({'frames': 3, 'fps': 0.125}, [0, 8]),  # shorter
    ({'frames': 1, 'fps': 7.5}, [0]),
])
def test_frames_and_fps_of_a_call_are_what_is_read(model, asked, seconds):
  (found,) = model.embed([CLIP], **asked)
  apart = model.embed([fj.image(FRAMES[int(second)]) for second in seconds])
  np.testing.assert_allclose(found, apart.mean(axis=0), rtol=1e-4, atol=1e-5)


def test_a_predictor_s_own_are_those_of_calls_that_say_nothing(model):
  own = of(model, frames=3, fps=0.125)
  assert (own.frames, own.fps) == (3, 0.125)
  assert (model.frames, model.fps) == (8, 1)  # as in training
  expected = ask(model, frames=3, fps=0.125)
  np.testing.assert_array_equal(ask(own), expected)
  np.testing.assert_array_equal(ask(own, fps=1), ask(model, frames=3))
  assert np.abs(expected - ask(model, frames=3)).max() > 1e-4
  generate = lambda predictor, **more: predictor.generate(
      [CLIP, 'Output:'], max_new_tokens=3, **more
  )
  assert generate(own) == generate(model, frames=3, fps=0.125)


def test_a_still_picture_is_one_frame_of_any_number(model):
  expected = ask(model, STILL)
  np.testing.assert_array_equal(ask(model, STILL, frames=3, fps=9), expected)
  # Beside a video in a prompt too, and as a video that is as short.
  mixed = lambda medium: model.score(
      [medium, 'Output: a', CLIP, 'Output:'], ANSWERS, frames=3
  )
  short = fj.video(FRAMES[5:6])
  np.testing.assert_allclose(mixed(short), mixed(STILL), rtol=1e-4)
  assert np.abs(mixed(fj.image(FRAMES[6])) - mixed(STILL)).max() > 1e-4


def test_time_is_interpolated_at_more_frames_than_were_trained(model):
  trained = model.config.resampler.frames
  count = 3
  assert trained == 2
  table = np.asarray(model.params['resampler']['time_embeddings'])
  between = np.stack([table[0], table.mean(axis=0), table[1]])
  longer = fj.Predictor(
      dataclasses.replace(
          model.config,
          resampler=dataclasses.replace(model.config.resampler, frames=count),
      ),
      {**model.params,
       'resampler': {**model.params['resampler'], 'time_embeddings': between}},
      model.vocabulary,
  )
  found = ask(model, frames=count)
  np.testing.assert_allclose(ask(longer, frames=count), found, rtol=1e-5)
  # Of no more frames it is as trained, and time is something that is seen.
  np.testing.assert_allclose(ask(longer, frames=1), ask(model, frames=1))
  backwards = jax.tree.map(lambda x: x, longer.params)
  backwards['resampler']['time_embeddings'] = between[::-1]
  other = fj.Predictor(longer.config, backwards, model.vocabulary)
  assert np.abs(ask(other, frames=count) - found).max() > 1e-4


def test_what_is_kept_of_a_video_is_kept_for_its_frames_and_fps(model):
  keeps = of(model, keep_latents=9)
  readings = [{'frames': 3}, {'frames': 3, 'fps': 0.125}, {'frames': 1}]
  prefix = [CLIP, 'Output: a']
  for reading in readings + readings:
    np.testing.assert_array_equal(ask(keeps, **reading), ask(model, **reading))
    model.forget()
    found, expected = (
        predictor.score([[STILL]], ANSWERS, prefix=prefix, **reading)
        for predictor in (keeps, model)
    )
    np.testing.assert_array_equal(found, expected)
  # A picture is the same for all.
  kept = len(keeps._inference._encoder._kept)
  assert kept == len(readings) + 1


@pytest.mark.parametrize('wrong, sentence', [
    ({'frames': 0}, 'frames is 0 and must be a whole number from 1'),
    ({'frames': -8}, 'frames is -8'),
    ({'fps': 0}, 'fps is 0 and must be a number above 0'),
    ({'fps': -1.5}, 'fps is -1.5'),
])
def test_what_makes_no_sense_is_one_sentence_of_any_call(
    model, wrong, sentence
):
  for call in (
      lambda: of(model, **wrong),
      lambda: ask(model, STILL, **wrong),
      lambda: model.generate([CLIP], max_new_tokens=1, **wrong),
      lambda: model.embed([CLIP], **wrong),
  ):
    with pytest.raises(fj.UserError, match=sentence):
      call()

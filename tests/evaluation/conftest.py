# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A model with random weights in a folder, and samples to evaluate it on."""

import dataclasses

import jax
import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.data.documents import image
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.metrics import captions
from flamingo_jax.evaluation.prompts import Episode, Sample
from flamingo_jax.training.trainable import split_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.evaluation import miniature
from tests.random_weights import random_weights, save_run, tiny_config

CONFIG = tiny_config(
    vocab=default_vocabulary().base_size, layers=2, xattn_every=1, context=128
)
LENGTHS = {'tokens': 64, 'media': 3, 'image_size': 16, 'targets': 6}
NAMES = ('cat', 'dog', 'small bird', 'fish')


def sample(index, name='query'):
  """A picture of noise and a question; answers go round."""
  rng = np.random.default_rng((len(name), index))
  picture = image(rng.integers(0, 256, (20, 24, 3), np.uint8))
  answer = NAMES[index % len(NAMES)]
  return Sample(
      (picture,), f'Question: Who is {index}? Answer:', (answer, f'a {answer}'),
      f'{name}:{index}', index,
  )


QUERIES = [sample(i) for i in range(5)]
SUPPORTS = [sample(i, 'support') for i in range(9)]


def make_prompt(query, supports, shots, seed, text_only_at_zero, control=''):
  episode = prompts.make_episode(
      query, supports, shots, seed, text_only_at_zero, control
  )
  return prompts.join(episode.supports, episode.query)


EPISODES = [
    Episode(
        (SUPPORTS[i],),
        dataclasses.replace(QUERIES[i], candidates=NAMES),
    )
    for i in range(3)
]
EPISODE = {'tokens': 40, 'media': 2}  # what they need


def add_tasks():
  """'open_2shot', 'open_0shot' and 'close_2': kind and number of shots.

  'close_2_no_pictures', where nothing is shown.

  And 'episodes' of one shot, and 'short_episodes', the same without padding.
  """
  queries, supports = {'test': lambda: QUERIES}, lambda: SUPPORTS
  for shots in (0, 2):
    tasks.add_open_ended_task(f'open_{shots}shot', queries, supports, shots=shots)
  for name, control in (('', ''), ('_no_pictures', 'no_pictures')):
    tasks.add_close_ended_task(
        f'close_2{name}', queries, supports, NAMES, shots=2, control=control
    )
  for name, limits in (('episodes', None), ('short_episodes', EPISODE)):
    tasks.add_episode_task(
        name, {'test': lambda: EPISODES}, candidates=len(NAMES), limits=limits
    )


@pytest.fixture(scope='session')
def model():
  add_tasks()
  return FlamingoModel(CONFIG, default_vocabulary(), None)


@pytest.fixture(scope='session')
def run_dir(tmp_path_factory):
  """MODEL_DIR with a checkpoint of step 7."""
  folder = tmp_path_factory.mktemp('run')
  params, frozen_params = split_params(random_weights(CONFIG, scale=0.3))
  save_run(folder, CONFIG, 7, params, frozen_params, max_media=3, frames=2)
  return folder


@pytest.fixture(scope='session')
def predictor(run_dir):
  return fj.load(run_dir)


@pytest.fixture(scope='session')
def data(tmp_path_factory):
  """DATA, with a folder for each benchmark."""
  folder = tmp_path_factory.mktemp('data')
  for name, write in miniature.WRITERS.items():
    write(folder / name)
  return folder


@pytest.fixture(scope='package', autouse=True)
def quick_compilation():
  """Compiling is what takes the time here: no pains."""
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)


@pytest.fixture(scope='package', autouse=True)
def no_java():
  """Machines with Java and without have the same scores here, and quickly."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(captions, '_runs', lambda java: False)
    yield

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a people calls colours: a task to fine-tune on (Flamingo B.2.2).

Eight made-up words, none of which pretraining has shown, stand for the eight
colours, in all examples for the same ones. Shots tell few of them to a model that
learnt from episodes of two to four words; fine-tuning has them all to learn.
Importing this module registers, to train on, `shapes_names`, a picture of one thing
and its word, and with the control `shapes_names_shuffled`, whose words are drawn at
random; and to score `shapes_names_<n>shot` for n = 0, 4, 8, 16 and 32 (close-ended,
so that chance is 1 / 8), of splits 'validation', to choose by, and 'test', with
controls:
  blank: the query's picture is plain grey;
  held_out_pairs: queries show shapes in colours that no training shows.
"""

from collections.abc import Callable
import functools

import numpy as np

from flamingo_jax.data import features
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation import tasks
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_eval
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

SHOTS = (0, 4, 8, 16, 32)
# Of no two of which a syllable is the same, as in episodes.
WORDS = dict(zip(shapes_world.COLOURS, shapes_episodes.sample_words(
    np.random.default_rng(0), len(shapes_world.COLOURS),
    shapes_episodes.HELD_OUT_WORDS,
)))
_CANDIDATES = tuple(f' {word}.' for word in WORDS.values())


def draw_sample(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> shapes_eval.Drawn:
  """A picture of one thing, nothing asked, and the word for its colour."""
  scene = shapes_world.sample_scene(rng, 1, pairs)
  (thing,) = scene.things
  return shapes.draw_image(scene), '', f' {WORDS[thing.colour]}.'


def draw_document(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> shapes.Parts:
  """A picture and its word."""
  picture, _, word = draw_sample(rng, pairs)
  return picture, word


def draw_shuffled(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> shapes.Parts:
  """A picture and any word."""
  picture, _, _ = draw_sample(rng, pairs)
  return picture, _CANDIDATES[int(rng.integers(len(_CANDIDATES)))]


def register() -> None:
  """Registers the tasks and the mixture `shapes_names_eval`; done at import."""
  vocabulary = shapes_vocabulary.shapes_vocabulary
  for name, draw in (
      ('shapes_names', draw_document), ('shapes_names_shuffled', draw_shuffled)
  ):
    features.add_task(name, shapes.splits_of(name, draw), vocabulary=vocabulary)
  names = []
  for control in ('', 'blank', 'held_out_pairs'):
    for shots in SHOTS:
      names.append(shots_table.name_task('shapes_names', shots, control))
      tasks.add_close_ended_task(
          names[-1],
          {split: _samples(split, control) for split in ('validation', 'test')},
          _samples('train', '', shapes_eval.SUPPORTS), _CANDIDATES,
          shots=shots, vocabulary=vocabulary,
      )
  features.add_mixture('shapes_names_eval', dict.fromkeys(names, 1.0))


def _samples(
    split: str, control: str, size: int = shapes_eval.QUERIES
) -> Callable[[], shapes_eval.ShapesSamples]:
  pairs = {'train': 'train', 'validation': 'validation', 'test': 'validation'}
  return functools.partial(
      shapes_eval.ShapesSamples, f'shapes_names_{split}',
      'held_out' if control == 'held_out_pairs' else pairs[split], size,
      draw_sample, control == 'blank',
  )


register()

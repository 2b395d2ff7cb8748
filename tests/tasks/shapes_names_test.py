# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Words for colours: what is trained on, asked, and controlled for."""

import numpy as np

from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_names
from flamingo_jax.tasks import shapes_world


def test_words_are_new_and_always_mean_the_same():
  words = shapes_names.WORDS
  assert len(set(words.values())) == 8 and set(words) == set(shapes_world.COLOURS)
  assert not set(words.values()) & set(shapes_episodes.SEEN_WORDS)
  told, drawn = set(), set()
  for seed in range(300):
    scene = shapes_world.sample_scene(
        np.random.default_rng(seed), 1, shapes_world.SEEN
    )
    draw = lambda of: of(np.random.default_rng(seed), shapes_world.SEEN)
    colour = scene.things[0].colour
    told.add((colour, draw(shapes_names.draw_document)[1]))
    drawn.add((colour, draw(shapes_names.draw_shuffled)[1]))
  assert told == {(colour, f' {word}.') for colour, word in words.items()}
  assert len(drawn) > 50  # of 64: any word of any colour


def test_what_is_asked_was_not_trained_on():
  sources = {
      split: {
          shapes_names._samples(split, '')()[i].media[0].data.tobytes()
          for i in range(50)
      } for split in ('train', 'validation', 'test')
  }
  documents = shapes.splits_of('shapes_names', shapes_names.draw_document)
  sources['documents'] = {
      documents['train']()[i].parts[0].data.tobytes() for i in range(50)
  }
  assert len(set.union(*sources.values())) == 200
  (thing,) = {
      shapes_names._samples('test', 'blank')()[i].media[0] is shapes.BLANK
      for i in range(5)
  }
  assert thing

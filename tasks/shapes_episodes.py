# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Episodes of the shapes world: made-up words, and what they stand for.

In an episode each of K words stands for one value of one attribute, such as
'zupo' for red things and 'kiva' for blue ones. Which attribute it is and which
words they are is drawn anew each time, so nothing but the examples of the
episode tells. A word is two syllables; a fifth of their pairs is held out.
"""

from collections.abc import Sequence
import dataclasses

import numpy as np

from flamingo_jax.tasks import shapes_world

FIRST_SYLLABLES = tuple(
    'ba da fe go hu ja ke lo mu ni pa ru so ta vi zu'.split()
)
SECOND_SYLLABLES = tuple(
    'bo de fi gu ha jo ki la mo nu pi ra su te va zo'.split()
)
HELD_OUT_WORDS = tuple(
    first + second
    for i, first in enumerate(FIRST_SYLLABLES)
    for j, second in enumerate(SECOND_SYLLABLES)
    if (7 * i + 3 * j) % 5 == 0
)
SEEN_WORDS = tuple(
    first + second
    for first in FIRST_SYLLABLES
    for second in SECOND_SYLLABLES
    if first + second not in HELD_OUT_WORDS
)
# What words can stand for. Two sizes are too few for wrong guesses to show.
ATTRIBUTES = {
    'shape': shapes_world.SHAPES,
    'colour': tuple(shapes_world.COLOURS),
    'texture': shapes_world.TEXTURES,
}


@dataclasses.dataclass(frozen=True)
class Episode:
  """K words, and things with the word that stands for each."""

  attribute: str  # what the words tell of a thing, a key of ATTRIBUTES
  words: tuple[str, ...]  # K words that share no syllable
  scenes: tuple[shapes_world.Scene, ...]  # of one thing each
  labels: tuple[int, ...]  # of each scene, the place of its word in `words`

  @property
  def answers(self) -> tuple[str, ...]:
    """The word of each scene."""
    return tuple(self.words[label] for label in self.labels)


def sample_words(
    rng: np.random.Generator, count: int, words: Sequence[str] = SEEN_WORDS
) -> tuple[str, ...]:
  """Draws words of which no two share a syllable."""
  found: list[str] = []
  while len(found) < count:
    word = words[int(rng.integers(len(words)))]
    if all(word[:2] != w[:2] and word[2:] != w[2:] for w in found):
      found.append(word)
  return tuple(found)


def sample_labels(
    rng: np.random.Generator, ways: int, shots: int
) -> tuple[int, ...]:
  """Labels of `shots` supports, equally many of each word, and of a query.

  Where the words do not divide the shots, words drawn at random get one more.
  """
  supports = (np.arange(shots) + rng.integers(ways)) % ways
  query = rng.integers(ways)
  return *(int(k) for k in rng.permutation(supports)), int(query)


def sample_episode(
    rng: np.random.Generator,
    ways: int,
    labels: Sequence[int],
    attribute: str,
    *,
    pairs: Sequence[tuple[str, str]] = shapes_world.SEEN,
    words: Sequence[str] = SEEN_WORDS,
) -> Episode:
  """Draws words, the values they stand for, and a thing for each label.

  Args:
    rng: draws everything else.
    ways: K, at most as many as the attribute has values.
    labels: of the things, from 0 to K - 1.
    attribute: a key of ATTRIBUTES.
    pairs: of shape and colour that things may have.
    words: to draw from.
  """
  values = rng.permutation(ATTRIBUTES[attribute])[:ways]
  return Episode(
      attribute,
      sample_words(rng, ways, words),
      tuple(
          _sample_scene(rng, attribute, str(values[label]), pairs)
          for label in labels
      ),
      tuple(labels),
  )


def _sample_scene(
    rng: np.random.Generator,
    attribute: str,
    value: str,
    pairs: Sequence[tuple[str, str]],
) -> shapes_world.Scene:
  """A scene of one thing that has this value of this attribute."""
  if attribute == 'shape':
    pairs = [pair for pair in pairs if pair[0] == value]
  elif attribute == 'colour':
    pairs = [pair for pair in pairs if pair[1] == value]
  scene = shapes_world.sample_scene(rng, 1, pairs)
  if attribute != 'texture':
    return scene
  thing = dataclasses.replace(scene.things[0], texture=value)
  return dataclasses.replace(scene, things=(thing,))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot learning in the shapes world: episodes of pictures and new words.

Importing this module registers the task `shapes_bind` to train on, and to score
`shapes_bind_<K>way_<shots>shot` and its controls, of which each changes one
thing about the same episodes:
  shuffled: supports have words drawn at random;
  blank: every picture is plain grey;
  text_only: supports have lost their pictures;
  permuted: supports stand in another order;
  held_out_words, held_out_pairs: what training never shows.
Chance is 1 / K everywhere, and controls but the last three are to be at chance.
"""

from collections.abc import Sequence
import dataclasses
import functools
import zlib

import numpy as np

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation import tasks
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

EPISODES = 1000  # of a task
SHOTS = (0, 1, 2, 4, 8, 16)
WAYS = (2, 4)
CONTROLS = (
    'shuffled', 'blank', 'text_only', 'permuted', 'held_out_words',
    'held_out_pairs',
)
PICTURES = 18  # of a document, or descriptions: 92 tokens


def draw_bind(rng: np.random.Generator, pairs: shapes.Pairs) -> shapes.Parts:
  """An episode as a document, a picture and its word at a time.

  Two words in most documents, up to four in others. In half of them the first
  supports are values or nouns instead of pictures: what a word stands for can
  be told either way. In half the pictures are in colours without a name, for
  shapes and colours to be read apart from each other; words for colours then
  stand for such colours, unless some are told.
  """
  attribute = tuple(shapes_episodes.ATTRIBUTES)[int(rng.integers(3))]
  ways = 2
  if rng.random() > 0.5:
    ways = int(rng.integers(2, 4 if attribute == 'texture' else 5))
  told = int(rng.integers(ways, ways + 4)) if rng.random() < 0.5 else 0
  has_nouns = rng.random() < 0.5
  labels = rng.integers(ways, size=PICTURES).tolist()
  episode = shapes_episodes.sample_episode(
      rng, ways, labels, attribute, pairs=pairs
  )
  scenes = episode.scenes
  if rng.random() < 0.5 and not (told and attribute == 'colour'):
    scenes = _in_any_colour(rng, scenes, attribute, told)
  parts = []
  for i, (scene, word) in enumerate(zip(scenes, episode.answers)):
    if i < told:
      (thing,) = scene.things
      name = thing.noun if has_nouns else getattr(thing, attribute)
      parts.append(f' {name} {word}.')
    else:
      parts += [shapes.draw_image(scene), f' {word}.']
  return tuple(parts)


def _in_any_colour(
    rng: np.random.Generator,
    scenes: Sequence[shapes_world.Scene],
    attribute: str,
    told: int,
) -> list[shapes_world.Scene]:
  if attribute == 'colour':
    return shapes_world.recolour_alike(rng, scenes)
  return [
      *scenes[:told],
      *(shapes_world.recolour(rng, scene) for scene in scenes[told:]),
  ]


@dataclasses.dataclass(frozen=True)
class ShapesEpisodes:
  """Episodes to score; episode i is the same everywhere."""

  ways: int  # K
  shots: int  # supports of an episode
  split: str  # of `shapes.SPLITS`
  control: str = ''  # what is changed, one of CONTROLS; or ''

  def __len__(self) -> int:
    return EPISODES

  def __getitem__(self, index: int) -> prompts.Episode:
    if not 0 <= index < EPISODES:
      raise IndexError(f'there is no episode {index} of {EPISODES}')
    # The same for all controls.
    name = f'bind:{self.ways}:{self.shots}:{self.split}'
    rng = np.random.default_rng((zlib.crc32(name.encode()), index))
    episode = self._sample(rng)
    words = episode.answers
    candidates = tuple(f' {word}.' for word in episode.words)
    if self.control == 'shuffled':
      drawn = rng.integers(self.ways, size=self.shots)
      words = (*(episode.words[k] for k in drawn), words[-1])
    samples = [
        prompts.Sample(
            self._media(scene, is_support=place < self.shots), '',
            (f' {word}.',), f'{name}:{index}', index, candidates,
        )
        for place, (scene, word) in enumerate(zip(episode.scenes, words))
    ]
    *supports, query = samples
    if self.control == 'permuted':
      supports = [supports[i] for i in rng.permutation(self.shots)]
    return prompts.Episode(tuple(supports), query)

  def _sample(self, rng: np.random.Generator) -> shapes_episodes.Episode:
    attributes = [
        name for name, values in shapes_episodes.ATTRIBUTES.items()
        if len(values) >= self.ways
    ]
    attribute = attributes[int(rng.integers(len(attributes)))]
    labels = shapes_episodes.sample_labels(rng, self.ways, self.shots)
    pairs, words = shapes.SPLITS[self.split][1], shapes_episodes.SEEN_WORDS
    if self.control == 'held_out_pairs':
      pairs = tuple(sorted(shapes_world.HELD_OUT))
    elif self.control == 'held_out_words':
      words = shapes_episodes.HELD_OUT_WORDS
    return shapes_episodes.sample_episode(
        rng, self.ways, labels, attribute, pairs=pairs, words=words
    )

  def _media(
      self, scene: shapes_world.Scene, is_support: bool
  ) -> tuple[documents.Media, ...]:
    if self.control == 'text_only' and is_support:
      return ()
    if self.control == 'blank':
      return (shapes.BLANK,)
    return (shapes.draw_image(scene),)


def register() -> None:
  """Registers the tasks and the mixture `shapes_bind_eval`; done at import."""
  vocabulary = shapes_vocabulary.shapes_vocabulary
  features.add_task(
      'shapes_bind', shapes.splits_of('shapes_bind', draw_bind),
      vocabulary=vocabulary,
  )
  names = []
  for ways in WAYS:
    for control in ('', *CONTROLS) if ways == 2 else ('',):
      for shots in SHOTS:
        names.append(shots_table.name_task(f'shapes_bind_{ways}way', shots, control))
        episodes = functools.partial(
            ShapesEpisodes, ways, shots, 'validation', control
        )
        tasks.add_episode_task(
            names[-1], {'validation': episodes}, candidates=ways,
            limits=limits(shots), vocabulary=vocabulary,
        )
  features.add_mixture('shapes_bind_eval', dict.fromkeys(names, 1.0))


def limits(shots: int) -> dict[str, int]:
  """The lengths of a prompt with so many pictures before that of its query."""
  # A tag and a word, its full stop and <EOC> a shot; <BOS> and a tag besides.
  return {'tokens': 5 * shots + 2, 'media': shots + 1}


register()

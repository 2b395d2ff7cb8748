# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Captions and few-shot episodes of handwritten digits: real pictures.

Importing this module registers, to train on, `digits_pairs` (a picture and 'a
handwritten seven') and `digits_bind` (episodes in which made-up words stand for
digits), both without 8 and 9 and half of them with digits that lie on a side,
which makes more kinds of figures; and to score, `digits_bind_2way_<shots>shot`, of
new pictures of digits that training shows, and the same with
`_held_out_digits`, of 8 against 9, which it never shows.
"""

import dataclasses
import functools
import zlib

import numpy as np

from flamingo_jax.data import features
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation import tasks
from flamingo_jax.tasks import digits
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_bind
from flamingo_jax.tasks import shapes_episodes
from flamingo_jax.tasks import shapes_vocabulary

_CONTROLS = {'': digits.SEEN, 'held_out_digits': digits.HELD_OUT}
# Number of documents, and whether they show the pictures to train on.
_SPLITS = {'train': (1_000_000, True), 'validation': (10_000, False)}


def draw_pair(rng: np.random.Generator, is_training: bool) -> shapes.Parts:
  """A picture and what it shows."""
  digit, turned = int(rng.choice(digits.SEEN)), _draw_turned(rng)
  (picture,) = digits.draw(rng, [digit], is_training, {digit: turned})
  return picture, digits.caption(digit, turned)


def draw_bind(rng: np.random.Generator, is_training: bool) -> shapes.Parts:
  """An episode of two to four words, pictures with a word each."""
  ways = int(rng.integers(2, 5))
  values = rng.permutation(digits.SEEN)[:ways].tolist()
  turned = {value: _draw_turned(rng) for value in values}
  words = shapes_episodes.sample_words(rng, ways)
  labels = rng.integers(ways, size=shapes_bind.PICTURES)
  pictures = digits.draw(
      rng, [values[label] for label in labels], is_training, turned
  )
  parts = []
  for label, picture in zip(labels, pictures):
    parts += [picture, f' {words[label]}.']
  return tuple(parts)


def _draw_turned(rng: np.random.Generator) -> str:
  return ('', '', *digits.TURNED)[int(rng.integers(4))]


@dataclasses.dataclass(frozen=True)
class DigitsEpisodes:
  """Episodes of two digits to score; episode i is the same everywhere."""

  shots: int
  control: str

  def __len__(self) -> int:
    return shapes_bind.EPISODES

  def __getitem__(self, index: int) -> prompts.Episode:
    if not 0 <= index < len(self):
      raise IndexError(f'there is no episode {index} of {len(self)}')
    name = f'digits:{self.shots}:{self.control}'
    rng = np.random.default_rng((zlib.crc32(name.encode()), index))
    values = rng.permutation(_CONTROLS[self.control])[:2].tolist()
    words = shapes_episodes.sample_words(rng, 2)
    candidates = tuple(f' {word}.' for word in words)
    labels = shapes_episodes.sample_labels(rng, 2, self.shots)
    # None twice: a query that is itself among the shots is merely found again.
    pictures = digits.draw(rng, [values[label] for label in labels], False)
    *supports, query = (
        prompts.Sample(
            (picture,), '', (candidates[label],), f'{name}:{index}', index,
            candidates,
        )
        for picture, label in zip(pictures, labels)
    )
    return prompts.Episode(tuple(supports), query)


def register() -> None:
  """Registers the tasks and the mixture `digits_bind_eval`; done at import."""
  vocabulary = shapes_vocabulary.shapes_vocabulary
  for task, draw in (('digits_pairs', draw_pair), ('digits_bind', draw_bind)):
    splits = shapes.splits_of(task, draw, _SPLITS)
    features.add_task(task, splits, vocabulary=vocabulary)
  names = []
  for control in _CONTROLS:
    for shots in shapes_bind.SHOTS:
      names.append(shots_table.name_task('digits_bind_2way', shots, control))
      episodes = functools.partial(DigitsEpisodes, shots, control)
      tasks.add_episode_task(
          names[-1],
          {'validation': episodes},
          candidates=2,
          limits=shapes_bind.limits(shots),
          vocabulary=vocabulary,
      )
  features.add_mixture('digits_bind_eval', dict.fromkeys(names, 1.0))


register()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot evaluation on the shapes world: questions, captions, ranked answers.

Importing this module registers `shapes_vqa_4shot`, `shapes_vqa_0shot` and
`shapes_caption_0shot` (open-ended), `shapes_colour_4shot` (close-ended) and the
mixture `shapes_eval` of them all. Queries are of the split that is asked for, of which `held_out` has
pairs of shape and colour that training never shows; supports are of `train`.
"""

from collections.abc import Callable
import dataclasses
import functools
import zlib

import numpy as np

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.prompts import Sample
from tasks import shapes
from tasks import shapes_drawing
from tasks import shapes_world

QUERIES = 128  # of each split
SUPPORTS = 2048  # as many as the paper has (B.1.4)

Draw = Callable[[np.random.Generator, shapes.Pairs], tuple]


@dataclasses.dataclass(frozen=True)
class ShapesSamples:
  """Pictures with a question; sample i is the same everywhere."""

  task: str
  split: str
  size: int
  draw: Draw

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, index: int) -> Sample:
    name = f'{self.task}:{self.split}'
    # Another stream than the training documents', so that no query was seen.
    rng = np.random.default_rng((zlib.crc32(f'eval:{name}'.encode()), index))
    scene, text, answer = self.draw(rng, shapes.SPLITS[self.split][1])
    picture = documents.image(shapes_drawing.draw_scene(scene))
    return Sample((picture,), text, (answer,), f'{name}:{index}', index)


def draw_question(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> tuple[shapes_world.Scene, str, str]:
  """A picture of one to three things, and a question as training asks it."""
  scene = shapes_world.sample_scene(rng, int(rng.integers(1, 4)), pairs)
  question, answer = shapes.ask(rng, scene).split(' Answer: ')
  return scene, f'{question} Answer:', answer


def draw_caption(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> tuple[shapes_world.Scene, str, str]:
  """A picture of one thing, and its caption as training words it."""
  scene = shapes_world.sample_scene(rng, 1, pairs)
  return scene, '', shapes_world.describe_scene(scene)


def draw_colour(
    rng: np.random.Generator, pairs: shapes.Pairs
) -> tuple[shapes_world.Scene, str, str]:
  """A picture of one thing, and the question what colour it has."""
  scene = shapes_world.sample_scene(rng, 1, pairs)
  (thing,) = scene.things
  text = f'Question: What colour is the {thing.shape}? Answer:'
  return scene, text, thing.colour


def register() -> None:
  """Registers the tasks and the mixture; done at import."""
  names = []
  for task, draw, candidates, shots in (
      ('shapes_vqa', draw_question, (), 4),
      ('shapes_vqa', draw_question, (), 0),
      ('shapes_caption', draw_caption, (), 0),
      ('shapes_colour', draw_colour, tuple(shapes_world.COLOURS), 4),
  ):
    samples = functools.partial(ShapesSamples, task, draw=draw)
    queries = {
        split: functools.partial(samples, split, size=QUERIES)
        for split in ('validation', 'held_out')
    }
    supports = functools.partial(samples, 'train', size=SUPPORTS)
    names.append(f'{task}_{shots}shot')
    if candidates:
      tasks.add_close_ended_task(
          names[-1], queries, supports, candidates, shots=shots
      )
    else:
      tasks.add_open_ended_task(names[-1], queries, supports, shots=shots)
  features.add_mixture('shapes_eval', dict.fromkeys(names, 1.0))


register()

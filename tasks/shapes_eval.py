# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Few-shot evaluation on the shapes world: questions, captions, ranked answers.

Importing this module registers `shapes_vqa_<n>shot` and `shapes_caption_<n>shot`
(open-ended, n = 0 and 4), `shapes_colour_4shot` (close-ended) and the mixture
`shapes_eval` of them all, with controls:
  blank: the query's picture is plain grey, so the text alone has to do;
  held_out_pairs: queries show shapes in colours that training never shows.
Of clips, which need 'frames' of 8, `shapes_direction_<n>shot` (close-ended, n = 0
and 4): which way a thing moves, which no single frame tells; both are the mixture
`shapes_direction_eval`.
Queries are of split 'validation', supports are what training shows.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import zlib

import numpy as np

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import shots_table
from flamingo_jax.evaluation import tasks
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.tasks import shapes
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

QUERIES = 500  # of a task
SUPPORTS = 2048  # as many as the paper has (B.1.4)

# A picture or clip, what is asked about it, and the answer.
Drawn = tuple[documents.Media, str, str]
Draw = Callable[[np.random.Generator, shapes.Pairs], Drawn]


@dataclasses.dataclass(frozen=True)
class ShapesSamples:
  """Pictures with a question; sample i is the same everywhere."""

  task: str  # what is asked
  split: str  # of `shapes.SPLITS`
  size: int  # how many there are
  draw: Draw  # makes a sample
  is_blank: bool = False  # whether pictures are plain grey

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, index: int) -> Sample:
    name = f'{self.task}:{self.split}'
    # Another stream than the training documents', so that no query was seen.
    rng = np.random.default_rng((zlib.crc32(f'eval:{name}'.encode()), index))
    medium, text, answer = self.draw(rng, shapes.SPLITS[self.split][1])
    medium = shapes.BLANK if self.is_blank else medium
    return Sample((medium,), text, (answer,), f'{name}:{index}', index)


def draw_question(rng: np.random.Generator, pairs: shapes.Pairs) -> Drawn:
  """A picture of one to three things, and a question as training asks it."""
  scene = shapes_world.sample_scene(rng, int(rng.integers(1, 4)), pairs)
  question, answer = shapes.ask(rng, scene).split(' Answer: ')
  return shapes.draw_image(scene), f' {question} Answer:', answer


def draw_caption(rng: np.random.Generator, pairs: shapes.Pairs) -> Drawn:
  """A picture of one thing, and its caption as the pages of training word it."""
  scene = shapes_world.sample_scene(rng, 1, pairs)
  caption = f' {shapes_world.describe_scene(scene)}.'
  return shapes.draw_image(scene), '', caption


def draw_colour(rng: np.random.Generator, pairs: shapes.Pairs) -> Drawn:
  """A picture of one thing, and the question what colour it has."""
  scene = shapes_world.sample_scene(rng, 1, pairs)
  (thing,) = scene.things
  text = f' Question: What colour is the {thing.shape}? Answer:'
  return shapes.draw_image(scene), text, thing.colour


def draw_direction(rng: np.random.Generator, pairs: shapes.Pairs) -> Drawn:
  """A clip of one thing that moves, and which way, as training captions it."""
  clip, caption = shapes.draw_video(rng, pairs)
  text, direction = caption.rsplit(' ', 1)
  return clip, f' {text}', direction


def register() -> None:
  """Registers the tasks and the mixture; done at import."""
  names = []
  for task, draw, controls in (
      ('shapes_vqa', draw_question, ('', 'blank')),
      ('shapes_caption', draw_caption, ('', 'held_out_pairs')),
  ):
    for control in controls:
      for shots in (0, 4):
        names.append(shots_table.name_task(task, shots, control))
        tasks.add_open_ended_task(
            names[-1], _queries(task, draw, control), _supports(task, draw),
            shots=shots, metric_fns=(metrics.TOP1.seqio_function(),),
            vocabulary=shapes_vocabulary.shapes_vocabulary,
        )
  names.append('shapes_colour_4shot')
  clips = [f'shapes_direction_{shots}shot' for shots in (0, 4)]
  for name, draw, candidates in (
      (names[-1], draw_colour, shapes_world.COLOURS),
      *((clip, draw_direction, shapes_world.DIRECTIONS) for clip in clips),
  ):
    task, _, shots = name.rpartition('_')
    tasks.add_close_ended_task(
        name, _queries(task, draw), _supports(task, draw), tuple(candidates),
        shots=int(shots.removesuffix('shot')),
        vocabulary=shapes_vocabulary.shapes_vocabulary,
    )
  features.add_mixture('shapes_eval', dict.fromkeys(names, 1.0))
  features.add_mixture('shapes_direction_eval', dict.fromkeys(clips, 1.0))


def _queries(
    task: str, draw: Draw, control: str = ''
) -> Mapping[str, Callable[[], ShapesSamples]]:
  split = 'held_out' if control == 'held_out_pairs' else 'validation'
  make = functools.partial(
      ShapesSamples, task, split, QUERIES, draw, control == 'blank'
  )
  return {'validation': make}


def _supports(task: str, draw: Draw) -> Callable[[], ShapesSamples]:
  return functools.partial(ShapesSamples, task, 'train', SUPPORTS, draw)


register()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The shapes world as tasks: pairs, clips and interleaved documents, no files.

Importing this module registers the tasks `shapes_pairs`, `shapes_video` and
`shapes_m3w`, which stand for the kinds of data of Flamingo §2.4;
`shapes_m3w_half` and `_next`, the same pages for ablations; and for vision
encoders `shapes_unnamed`, pairs of which no caption tells the colour. Document i
of a split is drawn from a generator seeded with (task, split, i): it is the same
everywhere.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any
import zlib

import numpy as np

from flamingo_jax.data import documents
from flamingo_jax.data import features
from flamingo_jax.data.document_source import Splits
from flamingo_jax.tasks import shapes_drawing
from flamingo_jax.tasks import shapes_vocabulary
from flamingo_jax.tasks import shapes_world

FRAMES = 8  # of a clip, one per second
# Number of documents, and the pairs of shape and colour they show. `held_out`
# asks for pairs that training never shows.
SPLITS = {
    'train': (1_000_000, shapes_world.SEEN),
    'validation': (10_000, shapes_world.SEEN),
    'held_out': (10_000, tuple(sorted(shapes_world.HELD_OUT))),
}
_ANY_PAIR = SPLITS['train'][1] + SPLITS['held_out'][1]
_NUMBERS = ('one', 'two', 'three', 'four')
# Of a document, as often none as one. Texts begin with a space, as the words of
# the vocabulary do.
TITLES = ('', '', ' Some pictures of shapes.', ' Look at these shapes.')
# Plain grey, for controls.
BLANK = documents.image(
    np.full((shapes_drawing.IMAGE_SIZE,) * 2 + (3,), 228, np.uint8)
)

Pairs = tuple[tuple[str, str], ...]
Parts = tuple[str | documents.Media | documents.EndOfChunk, ...]


@dataclasses.dataclass(frozen=True)
class ShapesDocuments:
  """The documents of one split of one task, made when they are asked for."""

  task: str  # its name
  split: str  # one of `splits`
  # Of a generator and what the split is drawn from.
  draw: Callable[[np.random.Generator, Any], Parts]
  # How many documents each has, and what they are drawn from.
  splits: Mapping[str, tuple[int, Any]] = dataclasses.field(
      default_factory=lambda: SPLITS
  )
  made_in_python = True  # one thread reads them (data/pipeline.py)

  def __len__(self) -> int:
    return self.splits[self.split][0]

  def __getitem__(self, index: int) -> documents.Document:
    if not 0 <= index < len(self):
      raise IndexError(f'{self.task} has no document {index} in {self.split}')
    source = f'{self.task}:{self.split}:{index}'
    stream = zlib.crc32(f'{self.task}:{self.split}'.encode())
    rng = np.random.default_rng((stream, index))
    parts = self.draw(rng, self.splits[self.split][1])
    return documents.Document(parts, source, index)


def splits_of(
    task: str,
    draw: Callable[[np.random.Generator, Any], Parts],
    splits: Mapping[str, tuple[int, Any]] = SPLITS,
) -> Splits:
  """All splits of a task."""
  return {
      split: functools.partial(ShapesDocuments, task, split, draw, splits)
      for split in splits
  }


def draw_pair(rng: np.random.Generator, pairs: Pairs) -> Parts:
  """A picture of one to three things and its caption."""
  scene = _sample_scene(rng, pairs)
  return draw_image(scene), shapes_world.describe_scene(scene)


def draw_unnamed(rng: np.random.Generator, pairs: Pairs) -> Parts:
  """The same in colours without a name: what a shape is in any colour."""
  scene = shapes_world.recolour(rng, _sample_scene(rng, pairs))
  return draw_image(scene), shapes_world.describe_scene(scene)


def draw_video(rng: np.random.Generator, pairs: Pairs) -> Parts:
  """A clip of one thing that moves, and what it does."""
  motion = shapes_world.sample_motion(rng, pairs)
  frames = shapes_drawing.draw_motion(motion, FRAMES)
  clip = documents.video(np.stack([np.asarray(frame) for frame in frames]))
  return clip, shapes_world.describe_motion(motion)


def draw_document(rng: np.random.Generator, pairs: Pairs) -> Parts:
  """Two to four pictures among captions or questions about them.

  Captions come after their pictures. Of questions that ask no colour, half have a
  picture in colours without a name. A sixth of the documents have lost the first or
  the first two of their pictures, as pages do: what is left has the form of a
  prompt without shots (A.2). What these showed may be any pair of shape and colour:
  pairs are held out of pictures, and a text that never has them teaches not to say
  them.
  """
  kind = rng.random()
  parts = [TITLES[int(rng.integers(len(TITLES)))]]
  count = int(rng.integers(2, 5))
  lost = int(rng.integers(1, min(count, 3))) if kind < 1 / 6 else 0
  for i in range(count):
    scene = shapes_world.sample_scene(
        rng, int(rng.integers(1, 4)), _ANY_PAIR if i < lost else pairs
    )
    if i < lost:
      parts += [_sentence(scene), documents.END_OF_CHUNK]
    elif kind < 0.75:
      parts += [draw_image(scene), _sentence(scene)]
    else:
      space = ' ' if rng.random() < 0.5 else ''
      question = ask(rng, scene)
      if 'colour' not in question and rng.random() < 0.5:
        scene = shapes_world.recolour(rng, scene)
      parts += [draw_image(scene), f'{space}{question}']
  return tuple(part for part in parts if part)


def ask(rng: np.random.Generator, scene: shapes_world.Scene) -> str:
  """'Question: What colour is the star? Answer: red', answerable for sure."""
  shapes = [thing.shape for thing in scene.things]
  single = [thing for thing in scene.things if shapes.count(thing.shape) == 1]
  kind = int(rng.integers(4)) if single else 0
  if kind == 0:
    question, answer = 'How many shapes are there?', _NUMBERS[len(shapes) - 1]
  else:
    thing = single[int(rng.integers(len(single)))]
    question, answer = {
        1: (f'What colour is the {thing.shape}?', thing.colour),
        2: (f'Is the {thing.shape} small or large?', thing.size),
        3: (f'What does the {thing.shape} look like?', thing.texture),
    }[kind]
  return f'Question: {question} Answer: {answer}'


def register() -> None:
  """Registers the tasks; done at import."""
  for task, documents_of, draw, options in (
      # No text looks ahead: texts are of the picture before them, and one that
      # sees another picture teaches which pairs are never said.
      ('shapes_m3w', 'shapes_m3w', draw_document, {}),
      # The same documents for the ablations of Flamingo's table 10 iii; the
      # paper's own is 0.5.
      ('shapes_m3w_half', 'shapes_m3w', draw_document, {'p_next': 0.5}),
      ('shapes_m3w_next', 'shapes_m3w', draw_document, {'p_next': 1.0}),
      ('shapes_pairs', 'shapes_pairs', draw_pair, {'p_space': 0.5}),
      ('shapes_unnamed', 'shapes_unnamed', draw_unnamed, {}),
      ('shapes_video', 'shapes_video', draw_video, {'p_space': 0.5}),
  ):
    features.add_task(
        task, splits_of(documents_of, draw),
        vocabulary=shapes_vocabulary.shapes_vocabulary, **options,
    )


def draw_image(scene: shapes_world.Scene) -> documents.Media:
  return documents.image(shapes_drawing.draw_scene(scene))


def _sample_scene(
    rng: np.random.Generator, pairs: Pairs
) -> shapes_world.Scene:
  """One to three things."""
  count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
  return shapes_world.sample_scene(rng, count, pairs)


def _sentence(scene: shapes_world.Scene) -> str:
  """' a small plain blue ring.'"""
  return f' {shapes_world.describe_scene(scene)}.'


register()

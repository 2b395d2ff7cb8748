# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The facts of a world of shapes: what pictures and clips show, in words.

8 shapes x 8 colours x 2 sizes x 3 textures on a light background. Sampling
takes a random generator and returns a `Scene` or a `Motion`, which
`shapes_drawing` turns into pixels. Neither touches a file or keeps state, so
example i of a data set is the same on every machine.
"""

from collections.abc import Sequence
import colorsys
import dataclasses
import itertools

import numpy as np

SHAPES = (
    'circle', 'square', 'triangle', 'star', 'cross', 'pentagon', 'heart', 'ring'
)
COLOURS = {
    'red': (214, 39, 40),
    'orange': (255, 136, 15),
    'yellow': (242, 200, 15),
    'green': (40, 150, 60),
    'cyan': (35, 185, 205),
    'blue': (45, 80, 210),
    'purple': (135, 60, 175),
    'pink': (245, 130, 190),
}
# Radius as a share of the picture's side, drawn anew for each object.
SIZES = {'small': (0.125, 0.145), 'large': (0.205, 0.235)}
TEXTURES = ('plain', 'striped', 'dotted')
DIRECTIONS = {
    'left': (-1.0, 0.0), 'right': (1.0, 0.0), 'up': (0.0, -1.0),
    'down': (0.0, 1.0),
}
MAX_OBJECTS = 4
SPEED = 0.08  # of the picture's side per frame: about 5 pixels
_TILT = 0.2  # radians, the largest rotation
# The parts of the noun for a kind of thing, by colour, by shape, and by texture
# and size.
_ONSETS = ('b', 'd', 'g', 'k', 'l', 'm', 'n', 'p')
_VOWELS = ('ai', 'au', 'ea', 'ee', 'ie', 'oa', 'oo', 'ou')
_CODAS = ('b', 'f', 'g', 'm', 'r', 'x')

# Eight of the 64 pairs of shape and colour, one per shape and one per colour,
# that training never shows: can a model put together what it saw apart?
HELD_OUT = frozenset(
    (shape, colour)
    for i, shape in enumerate(SHAPES)
    for j, colour in enumerate(COLOURS)
    if (i + j) % 8 == 3
)
# Of colours without a name from the one that their shape is held out in; the
# nearest two of COLOURS, orange and yellow, lie 65 apart.
_HELD_OUT_DISTANCE = 70
_APART = 100  # of colours without a name that are to be told apart
SEEN = tuple(
    (shape, colour)
    for shape in SHAPES
    for colour in COLOURS
    if (shape, colour) not in HELD_OUT
)


def name_kind(shape: str, colour: str, size: str, texture: str) -> str:
  """'doab': the noun for things that are alike in all four attributes.

  It is one piece of the vocabulary, so only its use tells a language model what
  the things have in common.
  """
  look = TEXTURES.index(texture) * len(SIZES) + tuple(SIZES).index(size)
  onset = _ONSETS[tuple(COLOURS).index(colour)]
  return onset + _VOWELS[SHAPES.index(shape)] + _CODAS[look]


@dataclasses.dataclass(frozen=True)
class Thing:
  """One object; x, y (centre) and radius are shares of the picture's side."""

  shape: str
  colour: str  # of COLOURS, or '#c08040': one without a name
  size: str
  texture: str
  x: float
  y: float
  radius: float
  tilt: float  # radians

  @property
  def noun(self) -> str:
    """The one word that tells all four attributes."""
    return name_kind(self.shape, self.colour, self.size, self.texture)

  @property
  def rgb(self) -> tuple[int, int, int]:
    """The colour, 0 to 255."""
    if self.colour in COLOURS:
      return COLOURS[self.colour]
    red, green, blue = bytes.fromhex(self.colour[1:])
    return red, green, blue


@dataclasses.dataclass(frozen=True)
class Scene:
  """What one picture shows; `things` stand in reading order."""

  background: tuple[int, int, int]
  things: tuple[Thing, ...]


@dataclasses.dataclass(frozen=True)
class Motion:
  """What a clip shows: the one thing of `start` moves, leaving at one edge and
  coming back at the opposite one.

  The start is uniform and independent of the direction, and motion around the
  edges keeps it so: no single frame tells the direction, only two do.
  """

  start: Scene
  direction: str


def sample_scene(
    rng: np.random.Generator,
    count: int,
    pairs: Sequence[tuple[str, str]] = SEEN,
) -> Scene:
  """Draws `count` (1 to MAX_OBJECTS) things that do not touch each other."""
  if not 1 <= count <= MAX_OBJECTS:
    raise ValueError(f'a scene has 1 to {MAX_OBJECTS} things, not {count}')
  background = tuple(int(c) for c in rng.integers(205, 251, size=3))
  if count == 1:
    return Scene(background, (_sample_thing(rng, pairs, 0.0, 0.0, 1.0),))
  # Each thing in its own quarter; ascending quarters are reading order.
  quarters = sorted(int(q) for q in rng.permutation(4)[:count])
  return Scene(
      background,
      tuple(
          _sample_thing(rng, pairs, 0.5 * (q % 2), 0.5 * (q // 2), 0.5)
          for q in quarters
      ),
  )


def recolour(rng: np.random.Generator, scene: Scene) -> Scene:
  """The scene in colours that have no name.

  None is near the colour that the thing's shape is held out in.
  """
  return dataclasses.replace(scene, things=tuple(
      dataclasses.replace(thing, colour=_sample_colour(rng, thing.shape))
      for thing in scene.things
  ))


def recolour_alike(
    rng: np.random.Generator, scenes: Sequence[Scene]
) -> list[Scene]:
  """The same, and what had one colour has one again.

  A thing whose shape is held out near its new colour gets another shape.
  """
  rgbs = {}
  for colour in sorted({t.colour for scene in scenes for t in scene.things}):
    while colour not in rgbs:
      rgb = _sample_rgb(rng)
      if all(_distance(rgb, other) > _APART for other in rgbs.values()):
        rgbs[colour] = rgb

  def change(thing: Thing) -> Thing:
    rgb, shape = rgbs[thing.colour], thing.shape
    allowed = sorted(
        shape for shape, colour in HELD_OUT
        if _distance(rgb, COLOURS[colour]) > _HELD_OUT_DISTANCE
    )
    if shape not in allowed:
      shape = allowed[int(rng.integers(len(allowed)))]
    return dataclasses.replace(thing, shape=shape, colour=_name_rgb(rgb))

  return [
      dataclasses.replace(scene, things=tuple(map(change, scene.things)))
      for scene in scenes
  ]


def sample_motion(
    rng: np.random.Generator, pairs: Sequence[tuple[str, str]] = SEEN
) -> Motion:
  """Draws one thing at a uniform place and a direction."""
  scene = sample_scene(rng, 1, pairs)
  x, y, direction = rng.random(3)
  thing = dataclasses.replace(scene.things[0], x=float(x), y=float(y))
  return Motion(
      dataclasses.replace(scene, things=(thing,)),
      tuple(DIRECTIONS)[int(direction * len(DIRECTIONS))],
  )


def motion_scenes(motion: Motion, frames: int) -> list[Scene]:
  """The scene of each frame of a clip."""
  dx, dy = DIRECTIONS[motion.direction]
  (thing,) = motion.start.things
  return [
      dataclasses.replace(
          motion.start,
          things=(
              dataclasses.replace(
                  thing,
                  x=(thing.x + t * SPEED * dx) % 1.0,
                  y=(thing.y + t * SPEED * dy) % 1.0,
              ),
          ),
      )
      for t in range(frames)
  ]


def describe_thing(thing: Thing) -> str:
  """'a large striped red star', or 'a large striped star' without a name."""
  colour = f'{thing.colour} ' if thing.colour in COLOURS else ''
  return f'a {thing.size} {thing.texture} {colour}{thing.shape}'


def nouns() -> tuple[str, ...]:
  """The nouns of all 384 kinds of things."""
  return tuple(
      name_kind(*kind)
      for kind in itertools.product(SHAPES, COLOURS, SIZES, TEXTURES)
  )


def describe_scene(scene: Scene) -> str:
  """'a small plain blue ring and a large dotted red star', reading order."""
  names = [describe_thing(thing) for thing in scene.things]
  if len(names) == 1:
    return names[0]
  return ', '.join(names[:-1]) + ' and ' + names[-1]


def describe_motion(motion: Motion) -> str:
  """'a cyan heart moves down'."""
  (thing,) = motion.start.things
  article = 'an' if thing.colour[0] in 'aeiou' else 'a'
  return f'{article} {thing.colour} {thing.shape} moves {motion.direction}'


def _sample_thing(
    rng: np.random.Generator,
    pairs: Sequence[tuple[str, str]],
    left: float,
    top: float,
    side: float,
) -> Thing:
  """A thing that lies wholly inside the square at (left, top)."""
  # One call for all numbers: calls cost more than numbers.
  pair, size, texture, radius, x, y, tilt = rng.random(7).tolist()
  shape, colour = pairs[int(pair * len(pairs))]
  size = tuple(SIZES)[int(size * len(SIZES))]
  low, high = SIZES[size]
  radius = low + (high - low) * radius
  return Thing(
      shape=shape,
      colour=colour,
      size=size,
      texture=TEXTURES[int(texture * len(TEXTURES))],
      x=left + radius + (side - 2 * radius) * x,
      y=top + radius + (side - 2 * radius) * y,
      radius=radius,
      tilt=_TILT * (2 * tilt - 1),
  )


def _sample_colour(rng: np.random.Generator, shape: str) -> str:
  held_out = COLOURS[dict(HELD_OUT)[shape]]
  while True:
    found = _sample_rgb(rng)
    if _distance(found, held_out) > _HELD_OUT_DISTANCE:
      return _name_rgb(found)


def _sample_rgb(rng: np.random.Generator) -> np.ndarray:
  hue, saturation, value = rng.random(3).tolist()
  rgb = colorsys.hsv_to_rgb(hue, 0.3 + 0.7 * saturation, 0.3 + 0.65 * value)
  return np.array([round(255 * x) for x in rgb], np.uint8)


def _name_rgb(rgb: np.ndarray) -> str:
  return f'#{rgb.tobytes().hex()}'


def _distance(
    a: Sequence[int] | np.ndarray, b: Sequence[int] | np.ndarray
) -> float:
  return float(np.linalg.norm(np.subtract(a, b, dtype=float)))

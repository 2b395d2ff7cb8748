# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the scenes of `shapes_world`: facts in, PIL pictures out."""

import functools
import math

import numpy as np
from PIL import Image
from PIL import ImageDraw

from flamingo_jax.tasks import shapes_world

IMAGE_SIZE = 64  # pixels
_OVERSAMPLING = 2  # drawn larger, then averaged: smooth edges
_RIM = 3  # oversampled pixels of plain colour around a textured thing


def draw_scene(
    scene: shapes_world.Scene, size: int = IMAGE_SIZE
) -> Image.Image:
  """Draws RGB of `size` x `size`; what passes an edge re-enters opposite."""
  side = size * _OVERSAMPLING
  image = Image.new('RGB', (side, side), scene.background)
  for thing in scene.things:
    mask, texture = _draw_thing(thing, side)
    left = round(thing.x * side - mask.width / 2)
    top = round(thing.y * side - mask.height / 2)
    for x in _wrapped(left, mask.width, side):
      for y in _wrapped(top, mask.height, side):
        image.paste(texture, (x, y), mask)
  return image.reduce(_OVERSAMPLING)


def draw_motion(
    motion: shapes_world.Motion, frames: int, size: int = IMAGE_SIZE
) -> list[Image.Image]:
  """Draws the clip, one RGB picture per frame."""
  scenes = shapes_world.motion_scenes(motion, frames)
  return [draw_scene(scene, size) for scene in scenes]


def _wrapped(low: int, width: int, side: int) -> tuple[int, ...]:
  """Where to paste something of `width` at `low` on a closed strip."""
  if low < 0:
    return low, low + side
  if low + width > side:
    return low, low - side
  return (low,)


def _draw_thing(
    thing: shapes_world.Thing, side: int
) -> tuple[Image.Image, Image.Image]:
  """The thing's outline as a mask, and its surface, of one size."""
  width = 2 * math.ceil(thing.radius * side) + 1
  centre, radius = width / 2, thing.radius * side
  mask = Image.new('L', (width, width))
  surface = _surface(thing.rgb, thing.texture, width, side)
  on_mask, on_surface = ImageDraw.Draw(mask), ImageDraw.Draw(surface)
  # The rim keeps the outline of a small striped star that of a star.
  rim = {'outline': thing.rgb, 'width': _RIM}
  if thing.shape in ('circle', 'ring'):
    radius *= 0.92  # about the area of the other shapes
    on_mask.ellipse(_square(centre, radius), fill=255)
    on_surface.ellipse(_square(centre, radius), **rim)
    if thing.shape == 'ring':
      on_mask.ellipse(_square(centre, 0.45 * radius), fill=0)
      on_surface.ellipse(_square(centre, 0.45 * radius + _RIM), **rim)
  else:
    x, y = _outline(thing.shape) * radius
    cos, sin = math.cos(thing.tilt), math.sin(thing.tilt)
    points = np.stack([x * cos - y * sin, x * sin + y * cos], axis=1) + centre
    points = points.ravel().tolist()
    on_mask.polygon(points, fill=255)
    on_surface.polygon(points, **rim)
  return mask, surface


def _square(centre: float, radius: float) -> tuple[float, ...]:
  return centre - radius, centre - radius, centre + radius, centre + radius


@functools.cache
def _outline(shape: str) -> np.ndarray:
  """Corners [2 n] (x, y; y points down) of a shape of radius 1 around 0."""
  if shape == 'heart':
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y - 2.5]) / 17
  if shape == 'cross':
    a, b = 0.36, 0.94
    x = [a, a, b, b, a, a, -a, -a, -b, -b, -a, -a]
    y = [-b, -a, -a, a, a, b, b, a, a, -a, -a, -b]
    return np.array([x, y])
  corners, inner = {
      'square': (4, None),
      'triangle': (3, None),
      'pentagon': (5, None),
      'star': (10, 0.48),
  }[shape]
  first = np.pi / 4 if shape == 'square' else 0.0
  angle = first + np.arange(corners) * 2 * np.pi / corners
  distance = np.ones(corners)
  if inner:
    distance[1::2] = inner
  outline = distance * np.stack([np.sin(angle), -np.cos(angle)])
  # A triangle around its centroid reaches further up than down.
  return outline + np.array([[0.0], [0.15]]) if shape == 'triangle' else outline


def _surface(
    rgb: tuple[int, int, int], texture: str, width: int, side: int
) -> Image.Image:
  """RGB `width` x `width` of a colour, with white stripes or dots."""
  surface = Image.new('RGB', (width, width), rgb)
  if texture != 'plain':
    surface.paste('white', mask=_pattern(texture, width, side))
  return surface


@functools.cache  # of any colour, so that they are few
def _pattern(texture: str, width: int, side: int) -> Image.Image:
  """Stripes or dots as a mask."""
  pattern = Image.new('1', (width, width))
  draw = ImageDraw.Draw(pattern)
  period = side / 14
  centre = width / 2
  steps = math.ceil(width / period) + 1
  if texture == 'striped':
    for i in range(-steps, steps + 1):
      x = centre + i * period
      line = (x - centre, width, x + centre, 0)
      draw.line(line, fill=1, width=round(0.3 * period))
  elif texture == 'dotted':
    radius = 0.24 * period
    for i in range(-steps, steps + 1):
      for j in range(-steps, steps + 1):
        # Rows in brick order lie apart evenly and never look like stripes.
        x = centre + (i + 0.5 * (j % 2)) * period
        y = centre + j * period * 0.87
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
  return pattern

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the drawing of the shapes world: pixels against facts."""

import dataclasses
import itertools

import numpy as np
import pytest

from flamingo_jax.tasks import shapes_drawing
from flamingo_jax.tasks import shapes_world

BACKGROUND = (240, 240, 240)


def _draw(shape='square', colour='red', texture='plain', size=64, **kwargs):
  thing = shapes_world.Thing(
      shape,
      colour,
      'large',
      texture,
      **({'x': 0.5, 'y': 0.5, 'radius': 0.22, 'tilt': 0.0} | kwargs),
  )
  scene = shapes_world.Scene(BACKGROUND, (thing,))
  return np.asarray(shapes_drawing.draw_scene(scene, size))


def _is_background(pixels):
  return (pixels == np.array(BACKGROUND)).all(axis=-1)


@pytest.mark.parametrize('size', [32, 64, 224])
def test_pictures_are_rgb_of_the_asked_size(size):
  pixels = _draw(size=size)
  assert pixels.shape == (size, size, 3)
  assert pixels.dtype == np.uint8


@pytest.mark.parametrize('colour', shapes_world.COLOURS)
@pytest.mark.parametrize('texture', shapes_world.TEXTURES)
def test_the_colour_is_the_most_frequent_one_on_the_background(colour, texture):
  pixels = _draw(colour=colour, texture=texture).reshape(-1, 3)
  values, counts = np.unique(
      pixels[~_is_background(pixels)], axis=0, return_counts=True
  )
  assert tuple(values[counts.argmax()]) == shapes_world.COLOURS[colour]


def test_all_shapes_and_textures_look_different():
  pictures = [
      _draw(shape=shape, texture=texture, radius=0.125).astype(int)
      for shape, texture in itertools.product(
          shapes_world.SHAPES, shapes_world.TEXTURES
      )
  ]
  for a, b in itertools.combinations(pictures, 2):
    assert (np.abs(a - b).max(axis=-1) > 60).sum() >= 5


@pytest.mark.parametrize('shape', shapes_world.SHAPES)
def test_the_thing_is_where_it_should_be_and_as_large(shape):
  x, y, radius = 0.3, 0.6, 0.2
  pixels = _draw(shape, x=x, y=y, radius=radius)
  rows, columns = np.nonzero(~_is_background(pixels))
  # Within its circle, give or take a pixel, and filling most of it.
  distance = np.hypot(columns + 0.5 - 64 * x, rows + 0.5 - 64 * y)
  assert distance.max() <= 64 * radius + 2
  assert np.ptp(rows) >= 64 * radius * 1.2
  assert np.ptp(columns) >= 64 * radius * 1.2


def test_a_ring_is_hollow_and_a_circle_is_not():
  assert _is_background(_draw('ring'))[32, 32]
  assert not _is_background(_draw('circle'))[32, 32]


def test_what_leaves_at_one_edge_comes_back_at_the_other():
  inside, outside = _draw(x=0.5), _draw(x=1.0)
  np.testing.assert_array_equal(np.roll(inside, 32, axis=1), outside)
  np.testing.assert_array_equal(
      np.roll(inside, (32, 32), axis=(0, 1)), _draw(x=1.0, y=0.0)
  )


def test_a_clip_is_its_scenes_and_runs_backwards_in_the_other_direction():
  motion = shapes_world.sample_motion(np.random.default_rng(1))
  motion = dataclasses.replace(motion, direction='right')
  frames = [np.asarray(f) for f in shapes_drawing.draw_motion(motion, 8)]
  last = shapes_world.motion_scenes(motion, 8)[-1]
  back = shapes_drawing.draw_motion(shapes_world.Motion(last, 'left'), 8)
  assert len({frame.tobytes() for frame in frames}) == 8
  for frame, other in zip(frames, reversed(back), strict=True):
    # Places are floats: a pixel may round the other way.
    difference = np.abs(frame.astype(int) - np.asarray(other)).max(axis=-1)
    assert (difference > 0).mean() < 0.05

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the facts of the shapes world."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest

from flamingo_jax.tasks import shapes_world


def _scene(seed, count=3, pairs=shapes_world.SEEN):
  return shapes_world.sample_scene(np.random.default_rng(seed), count, pairs)


@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_things_stay_inside_and_apart(count):
  for seed in range(200):
    things = _scene((count, seed), count).things
    assert len(things) == count
    for thing in things:
      low, high = shapes_world.SIZES[thing.size]
      assert low <= thing.radius <= high
      assert thing.radius <= thing.x <= 1 - thing.radius
      assert thing.radius <= thing.y <= 1 - thing.radius
    for i, a in enumerate(things):
      for b in things[:i]:
        apart = max(abs(a.x - b.x), abs(a.y - b.y))
        assert apart >= a.radius + b.radius - 1e-9


def test_things_stand_in_reading_order():
  for seed in range(200):
    things = _scene(seed, 3).things
    rows = [(thing.y > 0.5, thing.x > 0.5) for thing in things]
    assert rows == sorted(rows)


@pytest.mark.parametrize('count', [0, 5])
def test_a_count_that_does_not_fit_is_refused(count):
  with pytest.raises(ValueError, match=f'1 to 4 things, not {count}'):
    _scene(0, count)


def test_held_out_pairs_are_one_per_shape_and_colour_and_never_drawn():
  shapes, colours = zip(*shapes_world.HELD_OUT)
  assert sorted(shapes) == sorted(shapes_world.SHAPES)
  assert sorted(colours) == sorted(shapes_world.COLOURS)
  seen = {
      (thing.shape, thing.colour)
      for seed in range(1000)
      for thing in _scene(seed).things
  }
  assert seen == set(shapes_world.SEEN)
  assert not seen & shapes_world.HELD_OUT
  assert len(shapes_world.SEEN) == 56


def test_every_value_is_drawn_about_equally_often():
  things = [_scene(seed, 1).things[0] for seed in range(4000)]
  for field, values in {
      'shape': shapes_world.SHAPES,
      'colour': tuple(shapes_world.COLOURS),
      'size': tuple(shapes_world.SIZES),
      'texture': shapes_world.TEXTURES,
  }.items():
    counts = collections.Counter(getattr(thing, field) for thing in things)
    assert set(counts) == set(values)
    expected = len(things) / len(values)
    assert all(abs(n - expected) < 0.2 * expected for n in counts.values())


def test_captions():
  star = shapes_world.Thing(
      'star', 'red', 'large', 'striped', x=0.5, y=0.5, radius=0.2, tilt=0.0
  )
  ring = dataclasses.replace(
      star, shape='ring', colour='blue', size='small', texture='plain'
  )
  describe = lambda *things: shapes_world.describe_scene(
      shapes_world.Scene((240, 240, 240), things)
  )
  assert describe(star) == 'a large striped red star'
  assert describe(star, ring) == (
      'a large striped red star and a small plain blue ring'
  )
  assert describe(ring, star, ring) == (
      'a small plain blue ring, a large striped red star and '
      'a small plain blue ring'
  )


@pytest.mark.parametrize(
    'colour, direction, expected',
    [
        ('cyan', 'down', 'a cyan star moves down'),
        ('orange', 'left', 'an orange star moves left'),
    ],
)
def test_captions_of_motion(colour, direction, expected):
  star = shapes_world.Thing(
      'star', colour, 'large', 'striped', x=0.5, y=0.5, radius=0.2, tilt=0.0
  )
  scene = shapes_world.Scene((240, 240, 240), (star,))
  motion = shapes_world.Motion(scene, direction)
  assert shapes_world.describe_motion(motion) == expected


@pytest.mark.parametrize('direction', shapes_world.DIRECTIONS)
def test_motion_goes_where_it_says(direction):
  motion = dataclasses.replace(
      shapes_world.sample_motion(np.random.default_rng(0)), direction=direction
  )
  places = np.array([
      (scene.things[0].x, scene.things[0].y)
      for scene in shapes_world.motion_scenes(motion, 8)
  ])
  steps = (np.diff(places, axis=0) + 0.5) % 1.0 - 0.5  # the short way round
  expected = shapes_world.SPEED * np.array(shapes_world.DIRECTIONS[direction])
  np.testing.assert_allclose(steps, np.tile(expected, (7, 1)), atol=1e-9)


def test_no_single_frame_tells_the_direction():
  # Per direction and frame, the place is uniform: a quarter of the clips in
  # each quarter of the picture.
  counts = collections.defaultdict(lambda: np.zeros((8, 2, 2)))
  for seed in range(2000):
    motion = shapes_world.sample_motion(np.random.default_rng(seed))
    for t, scene in enumerate(shapes_world.motion_scenes(motion, 8)):
      (thing,) = scene.things
      counts[motion.direction][t, int(2 * thing.x), int(2 * thing.y)] += 1
  assert set(counts) == set(shapes_world.DIRECTIONS)
  for count in counts.values():
    share = count / count[0].sum()
    np.testing.assert_allclose(share, 0.25, atol=0.07)


def from_held_out(thing):
  """How far the colour of a thing is from the one its shape is held out in."""
  held_out = shapes_world.COLOURS[dict(shapes_world.HELD_OUT)[thing.shape]]
  return np.linalg.norm(np.subtract(thing.rgb, held_out))


def test_no_colour_without_a_name_is_near_one_that_is_held_out():
  scene = shapes_world.sample_scene(np.random.default_rng(0), 4)
  found = []
  for seed in range(400):
    changed = shapes_world.recolour(np.random.default_rng(seed), scene)
    for before, thing in zip(scene.things, changed.things, strict=True):
      assert dataclasses.replace(thing, colour=before.colour) == before
      found.append(from_held_out(thing))
  # Just beyond the distance there are many.
  assert 70 < min(found) < 75


def test_what_had_one_colour_has_one_again():
  found, apart, reshaped = [], [], 0
  for seed in range(100):
    rng = np.random.default_rng(seed)
    scenes = [shapes_world.sample_scene(rng, 3) for _ in range(2)]
    changed = shapes_world.recolour_alike(rng, scenes)
    colours = {}
    for before, after in zip(scenes, changed, strict=True):
      for old, new in zip(before.things, after.things, strict=True):
        assert colours.setdefault(old.colour, new.rgb) == new.rgb
        assert dataclasses.replace(
            new, colour=old.colour, shape=old.shape
        ) == old
        reshaped += new.shape != old.shape
        found.append(from_held_out(new))
    apart += [
        np.linalg.norm(np.subtract(*pair))
        for pair in itertools.combinations(colours.values(), 2)
    ]
  assert 70 < min(found) < 75 and 100 < min(apart) < 105
  assert 0 < reshaped < len(found) / 4

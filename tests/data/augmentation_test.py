# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of pictures."""

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps
import pytest

from flamingo_jax.data import augmentation, media
from flamingo_jax.errors import UserError

# Dark on the left, light on the right, a little red.
RAMP = np.stack(
    [np.tile(np.arange(60, 188, 2), (64, 1)) + d for d in (10, 0, 0)], axis=-1
).astype(np.uint8)

FLIPPED = augmentation.get('flipped')


def changed(rng, picture):
  out = np.empty((picture.height, picture.width, 3), np.uint8)
  augmentation.draw(FLIPPED, rng)(np.asarray(picture), out)
  return out


def test_the_matrix_is_what_pillows_enhancers_do_one_after_the_other():
  noise = np.random.default_rng(0).normal((90, 120, 100), 15, (64, 64, 3))
  picture = PIL.Image.fromarray(noise.round().astype(np.uint8))
  for seed in range(20):
    coin, *u = np.random.default_rng(seed).random(4)
    expected = picture
    if coin < 0.5:
      expected = PIL.ImageOps.mirror(expected)
    for name, x in zip(('Brightness', 'Contrast', 'Color'), u):
      enhancer = getattr(PIL.ImageEnhance, name)(expected)
      expected = enhancer.enhance(0.8 + 0.4 * x)
    found = changed(np.random.default_rng(seed), picture)
    difference = np.asarray(found).astype(int) - np.asarray(expected)
    # Pillow rounds in between.
    assert abs(difference).max() <= 3


@pytest.mark.parametrize('width, height', [(64, 48), (5, 7), (1, 9), (9, 1)])
def test_only_the_pictures_part_of_an_example_is_written(width, height):
  noise = np.random.default_rng(0).integers(
      0, 256, (height, width, 3), np.uint8)
  picture = PIL.Image.fromarray(noise)
  for seed in range(4):  # flipped and not
    whole = np.full((height + 4, width + 6, 3), 7, np.uint8)
    part = whole[2:-2, 3:-3]
    augmentation.draw(FLIPPED, np.random.default_rng(seed))(noise, part)
    alone = changed(np.random.default_rng(seed), picture)
    # The last columns of a row may be rounded another way.
    assert abs(part.astype(int) - alone).max() <= 1
    part[...] = 7
    assert (whole == 7).all()


def test_all_frames_of_a_video_change_alike():
  video = media.video(np.stack([RAMP] * 3))
  load = lambda **kwargs: media.load_frames(
      video, 3, 64, np.random.default_rng(1), **kwargs
  )[0]
  frames = load(augment='flipped')
  np.testing.assert_array_equal(frames[0], frames[1])
  np.testing.assert_array_equal(frames[0], frames[2])
  assert (frames != load()).any()


def test_evaluation_has_none():
  pixels, _ = media.load_frames(media.image(RAMP), 1, 64, None, augment='flipped')
  np.testing.assert_array_equal(pixels[0], RAMP)


def moved(seed, picture):
  out = np.empty_like(picture)
  augmentation.draw(
      augmentation.get('moved'), np.random.default_rng(seed)
  )(picture, out)
  return out


def test_a_move_keeps_the_middle_near_and_never_mirrors():
  # A dark picture with a light cross, whose right arm is the longest.
  picture = np.full((64, 64, 3), 40, np.uint8)
  picture[28:36, 20:56] = picture[20:44, 28:36] = 200
  places, seen = np.mgrid[:64, :64], set()
  for seed in range(30):
    weight = moved(seed, picture)[..., 0] > 120
    assert weight.any()
    row, column = (np.mean(place[weight]) for place in places)
    # Its centre is at (31.5, 35), and 0.07 * 64 is 4.5.
    assert abs(row - 31.5) < 7 and abs(column - 35) < 7
    right, left = np.nonzero(weight)[1].max() - 31, 32 - np.nonzero(weight)[1].min()
    assert right > left - 8
    seen.add((round(row), round(column), int(weight.sum()) // 40))
  assert len(seen) > 20


@pytest.mark.parametrize('width, height', [(64, 48), (5, 7), (1, 9), (9, 1)])
def test_a_move_of_one_colour_brings_in_no_other(width, height):
  picture = np.full((height, width, 3), 90, np.uint8)
  found = moved(3, picture)
  assert (found == found[0, 0]).all()


def test_an_unknown_augmentation_is_told():
  with pytest.raises(UserError, match="augment is 'turned'.*'moved'"):
    augmentation.get('turned')

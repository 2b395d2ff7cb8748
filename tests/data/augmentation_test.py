# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Random flips and colours."""

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps
import pytest

from flamingo_jax.data import augmentation, media

# Dark on the left, light on the right, a little red.
RAMP = np.stack(
    [np.tile(np.arange(60, 188, 2), (64, 1)) + d for d in (10, 0, 0)], axis=-1
).astype(np.uint8)


def changed(rng, picture):
  out = np.empty((picture.height, picture.width, 3), np.uint8)
  augmentation.draw(rng)(np.asarray(picture), out)
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
    augmentation.draw(np.random.default_rng(seed))(noise, part)
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
  frames = load(augment=True)
  np.testing.assert_array_equal(frames[0], frames[1])
  np.testing.assert_array_equal(frames[0], frames[2])
  assert (frames != load()).any()


def test_evaluation_has_none():
  pixels, _ = media.load_frames(media.image(RAMP), 1, 64, None, augment=True)
  np.testing.assert_array_equal(pixels[0], RAMP)

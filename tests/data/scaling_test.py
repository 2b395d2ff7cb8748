# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and frames of another size, against exact arithmetic."""

import concurrent.futures
import io
import itertools

import av
from av.video import reformatter
import numpy as np
import PIL.Image
import pytest
import skimage.data

from flamingo_jax.data import scaling
from tests.prepare import exporters


def exact(pixels, width, height):
  """Bicubic, antialiased, in floats, rounded at the end."""
  planes = [
      np.asarray(plane.convert('F').resize(
          (width, height), PIL.Image.Resampling.BICUBIC
      ))
      for plane in PIL.Image.fromarray(pixels).split()
  ]
  return np.stack(planes, axis=-1).round().clip(0, 255)


def error(found, expected):
  return np.abs(found.astype(int) - expected).mean()


@pytest.fixture(scope='module')
def mosaic():
  """Squares of two by two pixels, of random colours: uint8[48 64 3]."""
  colors = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
  return np.kron(colors, np.ones((2, 2, 1), np.uint8))


@pytest.mark.parametrize('width, height', [
    (320, 214), (64, 43), (451, 300), (600, 399), (17, 300),
])
def test_photographs_are_within_half_a_level_of_exact_arithmetic(width, height):
  photo = skimage.data.chelsea()
  found = scaling.scale(photo, width, height)
  assert found.dtype == np.uint8 and found.shape == (height, width, 3)
  assert error(found, exact(photo, width, height)) < 0.5


def test_neighbours_keep_colours_of_their_own(mosaic):
  # 8 if two pixels of a row shared their colours.
  assert error(scaling.scale(mosaic, 32, 24), exact(mosaic, 32, 24)) < 1


@pytest.mark.parametrize('pixels', [
    np.full((1, 1, 3), (200, 0, 7), np.uint8),
    np.full((1, 1000, 3), (200, 0, 7), np.uint8),
    np.full((1000, 1, 3), (200, 0, 7), np.uint8),
    np.full((5000, 7000, 3), (200, 0, 7), np.uint8),
])
@pytest.mark.parametrize('width, height', [(1, 1), (16, 1), (1, 16), (32, 32)])
def test_one_colour_stays_in_extreme_shapes(pixels, width, height):
  found = scaling.scale(pixels, width, height)
  assert found.shape == (height, width, 3)
  assert np.abs(found.astype(int) - (200, 0, 7)).max() <= 1


def test_the_right_size_is_left_alone(mosaic):
  assert scaling.scale(mosaic, 64, 48) is mosaic


def test_views_and_what_is_read_only_are_scaled_alike(mosaic):
  expected = scaling.scale(np.ascontiguousarray(mosaic[:, ::-1]), 32, 24)
  np.testing.assert_array_equal(
      scaling.scale(mosaic[:, ::-1], 32, 24), expected
  )
  frozen = np.asarray(PIL.Image.fromarray(mosaic[:, ::-1]))
  assert not frozen.flags.writeable
  np.testing.assert_array_equal(scaling.scale(frozen, 32, 24), expected)


def test_threads_do_not_disturb_each_other():
  rng = np.random.default_rng(0)
  shapes = [(40 + n, 60 + n % 3, 3) for n in range(8)]
  pictures = [rng.integers(0, 256, shape, np.uint8) for shape in shapes] * 20
  expected = [scaling.scale(picture, 30, 20) for picture in pictures]
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = pool.map(lambda picture: scaling.scale(picture, 30, 20), pictures)
    for one, other in zip(found, expected, strict=True):
      np.testing.assert_array_equal(one, other)


def test_a_scaler_that_is_used_again_follows_the_colours_of_each_frame(mosaic):
  kinds = list(itertools.product(
      (reformatter.Colorspace.ITU709, reformatter.Colorspace.ITU601),
      (reformatter.ColorRange.MPEG, reformatter.ColorRange.JPEG),
  ))

  def scaled(kind):
    frame = av.VideoFrame.from_ndarray(mosaic, 'rgb24').reformat(
        format='yuv420p'
    )
    frame.colorspace, frame.color_range = kind
    return scaling.scale_frame(frame, 32, 24)

  alone = {}
  for kind in kinds:
    scaling._idle.cache_clear()
    alone[kind] = scaled(kind)
  assert len({pixels.tobytes() for pixels in alone.values()}) == len(kinds)
  for kind in [*kinds, *reversed(kinds)]:
    np.testing.assert_array_equal(scaled(kind), alone[kind])


def test_frames_are_scaled_as_pictures_are(mosaic):
  data = exporters.encode_video(mosaic[None], 1, 'libx264', 'yuv444p')
  with av.open(io.BytesIO(data)) as container:
    frame = next(container.decode(video=0))
  found = scaling.scale_frame(frame, 32, 24)
  assert error(found, scaling.scale(mosaic, 32, 24)) < 1

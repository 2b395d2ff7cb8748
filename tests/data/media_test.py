# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of every mode, and every way in which a file can be bad."""

import io
import struct

import chex
import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import skimage.data

from flamingo_jax.data import media
from flamingo_jax.data import squares
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import PictureSize, Squaring
from flamingo_jax.typing import IMAGE_MEAN
from tests.pictures import animate, encode, png_by_hand

# Top: red, green; bottom: blue, gray.
QUARTERS = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 128, 128]]], np.uint8
)


def ink_profile(lab_of_cyan):
  """An ICC profile of a press on which paper is white and cyan ink is Lab."""
  lookup = np.zeros((2, 2, 2, 2, 3), np.uint8)  # C M Y K -> L a b
  lookup[..., 1:] = 128
  lookup[0, 0, 0, 0] = 255, 128, 128
  lookup[1, 0, 0, 0] = np.array(lab_of_cyan) * [2.55, 1, 1] + [0, 128, 128]
  curve = bytes(range(256))
  identity = [65536 * (i % 4 == 0) for i in range(9)]
  table = (b'mft1' + bytes(4) + bytes([4, 3, 2, 0])
           + struct.pack('>9i', *identity) + 4 * curve + lookup.tobytes()
           + 3 * curve)
  white = struct.pack('>3i', 63190, 65536, 54061)
  header = (bytes(4) + struct.pack('>I', 0x02100000) + b'prtrCMYKLab '
            + bytes(12) + b'acsp' + bytes(28) + white)
  tags = struct.pack('>I4sII', 1, b'A2B0', 144, len(table))
  profile = header.ljust(124, b'\0') + tags + table
  return struct.pack('>I', len(profile) + 4) + profile


def photo_jpeg(**options):
  return encode(skimage.data.astronaut(), 'JPEG', **options)


def animation(format, frames=3):
  pictures = [
      PIL.Image.new('RGB', (8, 8), (80 * i, 0, 0)) for i in range(frames)
  ]
  return animate(pictures, format, duration=500)


@pytest.mark.parametrize('format', ['PNG', 'BMP', 'TIFF', 'GIF', 'WEBP'])
def test_lossless_formats_are_exact(format):
  options = {'lossless': True} if format == 'WEBP' else {}
  decoded = media.decode_image(encode(QUARTERS, format, **options), 'a')
  chex.assert_trees_all_equal(decoded, QUARTERS)


@pytest.mark.parametrize('mode', ['L', '1', 'P', 'LA', 'RGBA', 'PA'])
def test_modes_of_opaque_pictures_keep_their_colors(mode):
  source = PIL.Image.fromarray(QUARTERS[:, :1].repeat(2, 1))
  if mode in ('L', '1', 'LA'):
    source = PIL.Image.fromarray(np.array([[0, 255]], np.uint8))
  picture = source.convert(mode) if mode != 'PA' else (
      source.convert('P').convert('PA'))
  expected = np.asarray(source.convert('RGB'))
  format = 'TIFF' if mode == 'PA' else 'PNG'
  decoded = media.decode_image(encode(picture, format), 'a')
  chex.assert_trees_all_equal(decoded, expected)


def test_16_bit_gray_is_scaled_not_clipped():
  samples = np.array([[0, 257, 32768, 65535]], np.uint16)
  decoded = media.decode_image(encode(samples), 'a')
  assert decoded[0, :, 0].tolist() == [0, 1, 128, 255]
  assert (decoded == decoded[..., :1]).all()


@pytest.mark.parametrize(
    'color_type, channels', [(0, 1), (2, 3), (4, 2), (6, 4)]
)
def test_16_bit_png_of_every_color_type(color_type, channels):
  samples = np.linspace(0, 65535, 6 * channels).reshape(2, 3, channels)
  samples = samples.astype(np.uint16)
  if channels in (2, 4):
    samples[..., -1] = 65535  # opaque
  expected = samples[..., : 3 if channels > 2 else 1] / 257
  rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in samples)
  decoded = media.decode_image(png_by_hand(3, 2, rows, 16, color_type), 'a')
  assert np.abs(decoded - expected).max() <= 1


def srgb_profile():
  srgb = PIL.ImageCms.createProfile('sRGB')
  return PIL.ImageCms.ImageCmsProfile(srgb).tobytes()


@pytest.mark.parametrize('profile', [None, b'broken', srgb_profile()])
def test_cmyk_jpeg_has_the_colors_of_the_picture(profile):
  photo = PIL.Image.fromarray(skimage.data.astronaut())
  options = {'icc_profile': profile} if profile else {}
  data = encode(photo.convert('CMYK'), 'JPEG', quality=95, **options)
  decoded = media.decode_image(data, 'a').astype(int)
  assert np.abs(decoded - np.asarray(photo)).mean() < 3


def test_cmyk_goes_through_its_profile():
  inks = PIL.Image.new('CMYK', (2, 1))
  inks.putpixel((1, 0), (255, 0, 0, 0))
  profile = ink_profile([53, 80, 67])  # the ink is red
  data = encode(inks, 'TIFF', icc_profile=profile)
  white, ink = media.decode_image(data, 'a')[0].astype(int)
  assert np.abs(white - 255).max() <= 2
  assert np.abs(ink - [255, 0, 0]).max() <= 8


def test_transparency_is_laid_on_white():
  alpha = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 128]]], np.uint8)
  decoded = media.decode_image(encode(alpha), 'a')
  assert decoded[0].tolist() == [[255] * 3, [0] * 3, [255, 127, 127]]
  palette = PIL.Image.fromarray(QUARTERS).quantize(4)
  index = palette.getpixel((0, 0))
  decoded = media.decode_image(encode(palette, transparency=index), 'a')
  assert decoded[0, 0].tolist() == [255] * 3
  assert decoded[1, 0].tolist() == QUARTERS[1, 0].tolist()


@pytest.mark.parametrize('orientation, turned', [
    (1, QUARTERS),
    (2, QUARTERS[:, ::-1]),
    (3, QUARTERS[::-1, ::-1]),
    (6, np.rot90(QUARTERS, -1)),
    (8, np.rot90(QUARTERS, 1)),
])
def test_exif_rotation_is_applied(orientation, turned):
  exif = PIL.Image.Exif()
  exif[0x0112] = orientation
  decoded = media.decode_image(encode(QUARTERS, exif=exif), 'a')
  chex.assert_trees_all_equal(decoded, turned)


def test_a_phones_jpeg_with_a_second_picture_is_its_first():
  first = PIL.Image.fromarray(QUARTERS.repeat(8, 0).repeat(8, 1))
  data = animate([first, PIL.Image.new('RGB', (16, 16))], 'MPO', quality=95)
  assert PIL.Image.open(io.BytesIO(data)).n_frames == 2
  assert abs(int(media.decode_image(data, 'a')[2, 2, 0]) - 255) < 16


@pytest.mark.parametrize('size', [64, 100, 256, 400])
def test_reduced_decoding_changes_almost_nothing(size):
  data = photo_jpeg(quality=95)
  full = squares.make_square(media.decode_image(data, 'a'), size)
  decoded = media.decode_image(data, 'a', size)
  assert max(decoded.shape) >= min(512, 2 * size)
  fast = squares.make_square(decoded, size)
  assert np.abs(full.astype(int) - fast).mean() < 2


@pytest.mark.parametrize('data, message', [
    (b'', r'a.jpg is empty \(0 bytes\)'),
    (b'<html>not found</html>', r"a.jpg is not an image.*begins with b'<html>"),
    (photo_jpeg()[:5000], 'a.jpg is corrupt or cut short'),
    (photo_jpeg()[:40], 'a.jpg is'),
    (encode(skimage.data.astronaut())[:5000], 'a.jpg is corrupt or cut short'),
    (animation('GIF'), 'a.jpg is an animated GIF of 3 frames; pass it as a'),
    (animation('WEBP'), 'a.jpg is an animated WEBP of 3 frames'),
    (animation('PNG'), 'a.jpg is an animated PNG of 3 frames'),
])
def test_bad_files_are_told_in_one_sentence(data, message):
  with pytest.raises(UserError, match=message) as raised:
    media.decode_image(data, 'a.jpg')
  assert '\n' not in str(raised.value)


def test_a_picture_that_would_fill_the_memory_is_refused():
  with pytest.raises(UserError, match='a.png has more pixels than can'):
    media.decode_image(png_by_hand(20000, 20000, b''), 'a.png')


def test_float_pictures_are_refused():
  samples = np.array([[0.1, 0.9]], np.float32)
  with pytest.raises(UserError, match='a.tif has samples of 0.1 to 0.9'):
    media.decode_image(encode(samples, 'TIFF'), 'a.tif')


@pytest.mark.parametrize('seed', range(20))
def test_damaged_files_decode_or_raise_user_errors(seed):
  rng = np.random.default_rng(seed)
  picture = skimage.data.astronaut()[::8, ::8]
  format = ('JPEG', 'PNG', 'WEBP', 'GIF', 'TIFF')[seed % 5]
  data = np.frombuffer(encode(picture, format), np.uint8).copy()
  data[rng.integers(0, len(data), 30)] = rng.integers(0, 256, 30)
  try:
    decoded = media.decode_image(data.tobytes(), 'a')
    assert decoded.dtype == np.uint8 and decoded.shape[-1] == 3
  except UserError:
    pass


@pytest.mark.parametrize('height, width, box', [
    (10, 20, (0, 16, 4, 12)),  # rows top, bottom, columns
    (20, 10, (4, 12, 0, 16)),
    (20, 20, (0, 16, 0, 16)),
    (8, 8, (0, 16, 0, 16)),
])
def test_resize_keeps_the_aspect_ratio_and_pads_with_the_mean(
    height, width, box
):
  left, right, top, bottom = box
  white = np.full((height, width, 3), 255, np.uint8)
  out = squares.make_square(white, 16)
  chex.assert_shape(out, (16, 16, 3))
  is_white = (out == 255).all(-1)
  expected = np.zeros((16, 16), bool)
  expected[top:bottom, left:right] = True
  assert (is_white == expected).all()
  mean = np.round(255 * np.array(IMAGE_MEAN)).astype(np.uint8)
  assert (out[~expected] == mean).all()


def test_a_picture_beyond_what_can_be_scaled_is_named():
  line = media.image(np.zeros((1, 3_000_000, 3), np.uint8))
  with pytest.raises(
      UserError, match='image array.*cannot scale 3000000 x 1 pixels; cut the'
  ):
    media.load_frames(line, 1, 16, None)


@pytest.mark.parametrize('source', [
    QUARTERS,
    PIL.Image.fromarray(QUARTERS),
    encode(QUARTERS),
    np.concatenate([QUARTERS, np.full((2, 2, 1), 255, np.uint8)], -1),
])
def test_images_come_from_anything(source):
  frames, mask = media.load_frames(media.image(source), 2, 2, None)
  chex.assert_trees_all_equal(frames[0], QUARTERS)
  assert not frames[1].any() and mask.tolist() == [True, False]


def test_images_come_from_files(tmp_path, monkeypatch):
  (tmp_path / 'a.png').write_bytes(encode(QUARTERS))
  monkeypatch.chdir(tmp_path)
  medium = media.image('a.png')
  assert medium.path == str(tmp_path / 'a.png')
  frames, _ = media.load_frames(medium, 1, 2, None)
  chex.assert_trees_all_equal(frames[0], QUARTERS)
  with pytest.raises(UserError, match='^image b.png does not exist'):
    media.load_frames(media.image('b.png'), 1, 2, None)


@pytest.mark.parametrize('gray', [QUARTERS[..., 0], QUARTERS[..., :1]])
def test_gray_arrays_have_three_equal_channels(gray):
  frames, _ = media.load_frames(media.image(gray), 1, 2, None)
  chex.assert_trees_all_equal(frames[0], QUARTERS[..., :1].repeat(3, -1))


@pytest.mark.parametrize('bad', [
    np.zeros((4, 4, 3), np.float32),
    np.zeros((4, 4, 2), np.uint8),
    np.zeros((2, 4, 4, 3), np.uint8),
    np.zeros((0, 4, 3), np.uint8),
    [[1, 2], [3]],
    None,
    {'a': 1},
])
def test_other_arrays_are_no_images(bad):
  with pytest.raises(UserError, match='image array'):
    media.image(bad)


@pytest.mark.parametrize('bad', [
    np.zeros((4, 4, 3), np.uint8),
    np.zeros((2, 4, 4, 3), np.float32),
    np.zeros((0, 4, 4, 3), np.uint8),
    [QUARTERS, QUARTERS[:1]],
    None,
])
def test_other_arrays_are_no_videos(bad):
  with pytest.raises(UserError, match='video array'):
    media.video(bad)


@pytest.mark.parametrize('squaring', [
    Squaring(), Squaring('cropped', shorter=20), Squaring('tiled', tiles=3),
])
def test_what_was_read_ahead_is_read_alike(squaring):
  rng = np.random.default_rng(0)
  size = PictureSize(16, squaring)
  medium = media.image(rng.integers(0, 256, (20, 44, 3), np.uint8))
  pixels, mask = media.load_frames(medium, squaring.places, size, None)
  ahead = media.read_ahead(medium, squaring.places, size, 1.0)
  again = np.ones_like(pixels)
  for out in (None, again):
    found = media.load_frames(ahead, squaring.places, size, None, out=out)
    chex.assert_trees_all_equal(found, (pixels, mask))
  np.testing.assert_array_equal(again, pixels)
  with pytest.raises(UserError, match='read it for this one'):
    media.load_frames(ahead, squaring.places, 17, None)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What comes with pictures: EXIF, texts, addresses that are their files."""

import base64
import io
import struct
import urllib.parse
import zlib

import chex
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from flamingo_jax.data import media
from flamingo_jax.errors import UserError
from tests.pictures import animate, encode


# Top: red, green; bottom: blue, gray.
QUARTERS = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [128, 128, 128]]], np.uint8
)


def animation(format):
  frames = [PIL.Image.new('RGB', (8, 8), (80 * i, 0, 0)) for i in range(3)]
  return animate(frames, format, duration=500)


@pytest.mark.parametrize('format', ['PNG', 'JPEG', 'TIFF', 'WEBP'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_pil_pictures_are_turned_as_their_files_are(format, orientation):
  exif = PIL.Image.Exif()
  exif[0x0112] = orientation
  pixels = np.zeros((8, 16, 3), np.uint8)
  pixels[:4, :8] = 255
  data = encode(pixels, format, exif=exif)
  picture = PIL.Image.open(io.BytesIO(data))
  found = media.image(picture).data
  chex.assert_trees_all_equal(found, media.decode_image(data, 'a'))
  assert found.shape == ((8, 16, 3) if orientation < 5 else (16, 8, 3))
  if format != 'TIFF':  # which Pillow turns when it is read
    assert picture.size == (16, 8), 'it is not ours to change'
  # One that the user has turned already is upright.
  turned = PIL.ImageOps.exif_transpose(picture)
  chex.assert_trees_all_equal(media.image(turned).data, found)


def test_a_pil_picture_of_a_broken_file_is_told():
  noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
  picture = PIL.Image.open(io.BytesIO(encode(noise, 'JPEG')[:5000]))
  with pytest.raises(UserError, match='PIL image> is corrupt or cut short'):
    media.image(picture)


def test_an_empty_pil_picture_is_told():
  with pytest.raises(UserError, match=r'of size \(0, 5\) is empty'):
    media.image(PIL.Image.new('RGB', (0, 5)))


def test_broken_exif_says_nothing():
  exif = b'Exif\0\0MM\0*\0\0\0\x08\xff\xff' + 9 * b'\xff'
  plain = media.decode_image(encode(QUARTERS), 'a')
  for data in (exif, b'Exif\0\0what is this'):
    found = media.decode_image(encode(QUARTERS, exif=data), 'a')
    chex.assert_trees_all_equal(found, plain)


def png_with(*chunks, behind=False):
  """The picture with more chunks, in front of its pixels or behind them."""
  data = encode(QUARTERS)
  place = data.index(b'IEND' if behind else b'IDAT') - 4
  return data[:place] + b''.join(chunks) + data[place:]


def text_chunk(name, body):
  return struct.pack('>I', len(body)) + name + body + struct.pack(
      '>I', zlib.crc32(name + body)
  )


LONG = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize('behind', [False, True])
@pytest.mark.parametrize('chunks', [
    [text_chunk(b'tEXt', b'Comment\0' + 3_000_000 * b'a')],
    [text_chunk(b'zTXt', b'Comment\0\0' + LONG)],
    [text_chunk(b'iTXt', b'Comment\0\1\0\0\0' + LONG)],
    [text_chunk(b'iTXt', b'Comment\0\0\0\0\0' + 3_000_000 * b'a')],
    [text_chunk(b'iCCP', b'profile\0\0' + LONG)],
    [text_chunk(b'zTXt', b'a\0\0' + zlib.compress(bytes(1_000_000)))] * 70,
    [text_chunk(b'zTXt', b'a\0\7unknown compression')],
    [text_chunk(b'tEXt', b'a\0its checksum is wrong')[:-1] + b'!'],
])
def test_texts_of_any_length_do_not_spoil_a_png(chunks, behind):
  if behind and b'iCCP' in chunks[0][:9]:
    return
  data = png_with(*chunks, behind=behind)
  chex.assert_trees_all_equal(media.decode_image(data, 'a'), QUARTERS)
  moving = animation('PNG')
  place = moving.index(b'IEND' if behind else b'fcTL') - 4
  moving = moving[:place] + b''.join(chunks) + moving[place:]
  frames, mask = media.load_frames(media.video(moving), 3, 8, None, 2.0)
  assert mask.all() and frames[:, 0, 0, 0].tolist() == [0, 80, 160]


def as_uri(data, kind='image/png', parameters=';base64'):
  return f'data:{kind}{parameters},' + base64.b64encode(data).decode()


@pytest.mark.parametrize('address', [
    as_uri(encode(QUARTERS)),
    as_uri(encode(QUARTERS), 'image/jpeg', ';charset=utf-8;BASE64'),
    as_uri(encode(QUARTERS)).rstrip('='),
    as_uri(encode(QUARTERS)).replace('data:', 'DATA:') + '#part',
    as_uri(encode(QUARTERS)).replace('+', '%2B').replace('/', '%2F'),
    'data:,' + urllib.parse.quote(encode(QUARTERS)),
])
def test_a_data_uri_is_the_picture_that_it_holds(address):
  medium = media.image(address)
  frames, _ = media.load_frames(medium, 1, 2, None)
  chex.assert_trees_all_equal(frames[0], QUARTERS)
  assert len(medium.path) < 80 and 'base64,' not in medium.path


def test_a_data_uri_may_hold_a_video():
  medium = media.video(as_uri(animation('GIF'), 'image/gif'))
  _, mask = media.load_frames(medium, 4, 8, None, 2.0)
  assert mask.tolist() == [True] * 3 + [False]


@pytest.mark.parametrize('address, words', [
    ('data:image/png;base64', 'has no comma'),
    ('data:image/png;base64,' + 5001 * '!', 'other than base64'),
    ('data:image/png;base64,AAAAA', 'other than base64'),
    ('https://example.org/a.jpg?' + 5000 * 'x', 'is an address of the web'),
    ('HTTP://example.org/a.jpg', 'is an address of the web'),
])
@pytest.mark.parametrize('make', [media.image, media.video])
def test_addresses_that_are_no_files_are_told_shortly(make, address, words):
  with pytest.raises(UserError, match=words) as raised:
    make(address)
  assert len(str(raised.value)) < 250


def test_what_a_data_uri_holds_is_judged_as_any_file():
  with pytest.raises(UserError, match="image/svg.xml is not an image of a kn"):
    media.load_frames(media.image('data:image/svg+xml,<svg/>'), 1, 8, None)

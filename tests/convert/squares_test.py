# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures become squares as each encoder's own processor makes them.

references/record_squares.py made the references.
"""

import json
import pathlib

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.convert import open_clip
from flamingo_jax.convert.hub_folder import Attributes
from flamingo_jax.convert.pixels import read_pixels
from flamingo_jax.data import features
from flamingo_jax.data import media
from flamingo_jax.data import pipeline
from flamingo_jax.data import squares
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import ViTConfig, variants
from flamingo_jax.models.vision import picture_size
from flamingo_jax.picture_size import PictureSize, Squaring
from tests.convert.photographs import photographs
from tests.datasets import numbered
from tests.random_weights import SMALL, random_weights

REFERENCES = pathlib.Path(__file__).parent / 'references'
TOLD = json.loads((REFERENCES / 'squares.json').read_text())
SQUARES = np.load(REFERENCES / 'squares.npz')
CROPPED = PictureSize(16, Squaring('cropped', shorter=20))
# Of its 20 x 60 pixels, those outside of the middle change nothing.
WIDE = np.random.default_rng(0).integers(0, 256, (20, 60, 3), np.uint8)
OTHER_EDGES = WIDE.copy()
OTHER_EDGES[:, :15] = OTHER_EDGES[:, 45:] = 0


def size_of(name, folder):
  if name == 'open_clip':
    return open_clip.read_pixels(Attributes(TOLD[name], name), 19).size
  (folder / 'preprocessor_config.json').write_text(json.dumps(TOLD[name]))
  return read_pixels(folder).size


@pytest.mark.parametrize('name', TOLD)
def test_squares_are_those_of_the_reference(tmp_path, name):
  size = size_of(name, tmp_path)
  for wanted, (photograph, pixels) in zip(
      SQUARES[name], photographs().items(), strict=True
  ):
    found, _ = media.load_frames(media.image(pixels), 1, size, None)
    far = np.abs(found[0].astype(int) - wanted)
    assert far.mean() < 0.1 and far.max() <= 2, photograph


@pytest.mark.parametrize('change, words', [
    ({'resample': 1}, r'resample is 1, and 2 \(bilinear\) and 3'),
    ({'do_resize': False}, 'do_resize is False'),
    ({'do_center_crop': False}, 'crop_size None no squares'),
    ({'crop_size': 20}, "'shortest_edge': 19} and crop_size 20 no squares"),
    ({'size': {'longest_edge': 19}}, "size {'longest_edge': 19} and crop_size"),
    ({'size': {'height': 19, 'width': 21}}, 'and has to be .*of squares'),
], ids=str)
def test_no_squares_are_told(tmp_path, change, words):
  (tmp_path / 'preprocessor_config.json').write_text(
      json.dumps(TOLD['clip'] | change)
  )
  with pytest.raises(UserError, match=f'preprocessor_config.json.*{words}'):
    read_pixels(tmp_path)


@pytest.mark.parametrize('name, value', [
    ('resize_mode', 'longest'), ('interpolation', 'nearest'), ('mode', 'L'),
])
def test_no_squares_of_open_clip_are_told(name, value):
  told = Attributes(TOLD['open_clip'] | {name: value}, 'open_clip_config.json')
  with pytest.raises(UserError, match=f'open_clip_config.json: {name} is'):
    open_clip.read_pixels(told, 19)


@pytest.mark.parametrize('shape', [(1, 10_000), (10_000, 1), (3, 7)])
@pytest.mark.parametrize('way', ['cropped', 'stretched'])
def test_pictures_of_any_shape_become_squares(shape, way):
  """Even those whose whole would be far too large before it is cut."""
  size = PictureSize(16, Squaring(way, shorter=20))
  picture = np.full((*shape, 3), 77, np.uint8)
  np.testing.assert_array_equal(
      squares.make_square(picture, size), np.full((16, 16, 3), 77)
  )


def test_frames_of_videos_become_squares_as_pictures_do():
  clip = media.video(np.stack([WIDE, OTHER_EDGES]))
  found, mask = media.load_frames(clip, 2, CROPPED, None)
  assert mask.all()
  for frame in found:
    np.testing.assert_array_equal(frame, squares.make_square(WIDE, CROPPED))


def test_training_reads_such_squares():
  documents = numbered(2, lambda i: (media.image(WIDE), 'a dog'))
  features.add_task('squares_test', {'train': lambda: documents})
  lengths = {'squares_test': {'tokens': 8, 'media': 1, 'image_size': CROPPED}}
  batch = next(pipeline.get_dataset(
      pipeline.DatasetConfig(
          'squares_test', lengths, 'train', {'squares_test': 2}, True, 0
      ), 0, 1,
  ).as_numpy_iterator())
  np.testing.assert_array_equal(
      batch['squares_test/media'].reshape(-1, 16, 16, 3)[1],
      squares.make_square(WIDE, CROPPED),
  )
  pipeline.check_pictures(lengths, CROPPED)
  pipeline.check_pictures(lengths, None)
  with pytest.raises(UserError, match=(
      "'squares_test' make pictures cropped from a shorter side of 20 pixels "
      r'.*, and the vision encoder reads them stretched .*: give .image_size.'
  )):
    pipeline.check_pictures(lengths, PictureSize(16, Squaring('stretched')))


def test_answers_are_from_such_squares():
  encoder = ViTConfig(8, 1, 16, 2, squaring=CROPPED.squaring)
  config = variants.get('flamingo_small', SMALL | {
      'vision': encoder, 'image_size': 16, 'resampler.latents': 2,
  })
  assert picture_size(config.vision, 16).squaring == CROPPED.squaring
  model = fj.Predictor(
      config, random_weights(config, 0.3), default_vocabulary(), frames=1
  )
  rows = model.embed([fj.image(x) for x in (WIDE, OTHER_EDGES, WIDE[:, ::-1])])
  np.testing.assert_array_equal(rows[0], rows[1])
  assert np.abs(rows[0] - rows[2]).max() > 1e-3

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Features of files: read as they are, and what is unfit named in a sentence."""

import io
import re

import numpy as np
import pytest

from flamingo_jax.data import media, pipeline
from flamingo_jax.data.documents import Document, JsonlDocuments, scan
from flamingo_jax.data.interleaved import load_media
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.picture_size import ArraySize, PictureSize
from flamingo_jax.prepare import check
from flamingo_jax.run_dir import towers
from flamingo_jax.tasks import own_data
from tests import datasets
from tests.prepare import exporters
from tests.shards import write_shards

GOOD = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
SIZE = ArraySize(positions=3, channels=4)


def saved(array):
  file = io.BytesIO()
  np.save(file, array)
  return file.getvalue()


def with_number(number):
  array = GOOD.copy()
  array[1, 2, 3] = number
  return array


@pytest.fixture
def jsonl(tmp_path):
  """A JSONL file of media: (key, name, bytes, or None for no file)."""

  def write(*found):
    for _, name, data in found:
      if data is not None:
        (tmp_path / name).write_bytes(data)
    return datasets.write_jsonl(tmp_path / 'own.jsonl', *(
        [{key: name}, {'text': 'It is.'}] for key, name, _ in found
    ))

  return write


@pytest.mark.parametrize('array', [
    GOOD, GOOD.astype('>f4'), np.asfortranarray(GOOD), GOOD.astype(np.float16),
])
def test_a_file_is_mapped_and_its_frames_come_first(tmp_path, array):
  path = tmp_path / 'x.npy'
  path.write_bytes(saved(array))
  named = media.features(path)
  assert isinstance(media.open_features(named), np.memmap)
  for source in (named, media.features(saved(array)), media.features(array)):
    frames, mask = load_media('x', [source], 2, 3, SIZE, None)
    np.testing.assert_array_equal(frames[0, :2], array.astype(np.float32))
    assert not frames[0, 2].any() and not frames[1].any()
    assert frames.dtype == np.float32 and frames.shape == (2, 3, 3, 4)
    np.testing.assert_array_equal(mask, [[True, True, False], [False] * 3])


UNFIT = {
    'gone': (None, 'does not exist; correct the path'),
    'double': (saved(GOOD.astype(float)), "of float64, and .*astype.'float32'"),
    'whole': (saved(GOOD.astype(int)), 'of int64, and must be of float32'),
    'object': (saved(np.array([{}])), 'numbers of object'),
    'table': (saved(GOOD[0]), r'has shape \[3, 4\], and must .* \[1, posi'),
    'none': (saved(GOOD[:0]), r'has shape \[0, 3, 4\]'),
    'wide': (saved(GOOD.reshape(2, 4, 3)), 'of 4 x 3 .* those of 3 x 4 are'),
    'nan': (saved(with_number(np.nan)), r'nan at \[1, 2, 3\], and 1 of 24 '),
    'inf': (saved(with_number(-np.inf)), r'-inf at \[1, 2, 3\]'),
    'cut': (saved(GOOD)[:-1], 'cut short .it has 95 of 96 bytes'),
    'head': (saved(GOOD)[:40], 'no readable header'),
    'text': (b'1,2,3', r"not a .npy file .it begins with b'1,2,3'.; save it by"),
}


def test_what_is_unfit_is_told_with_its_line(jsonl):
  path = jsonl(('features', 'good.npy', saved(GOOD)), *(
      ('features', f'{name}.npy', data) for name, (data, _) in UNFIT.items()
  ), ('image', 'a.png', exporters.picture()))
  found = list(scan(path))
  assert found[0].document and not any(line.document for line in found[1:])
  for line, (name, (_, sentence)) in zip(found[1:], UNFIT.items()):
    (problem,) = line.problems
    assert re.search(f'features /.*/{name}.npy .*{sentence}', problem), problem
  assert 'image /' in found[-1].problems[0]
  assert 'where arrays of 3 x 4' in found[-1].problems[0]


def test_a_run_is_told_of_all_that_its_model_cannot_read(jsonl):
  path = jsonl(('features', 'good.npy', saved(GOOD)))
  for size, frames, sentence in (
      (ArraySize(3, 5), 2, 'of 3 x 4 .* where those of 3 x 5 are read'),
      (SIZE, 1, r'has 2 frames, and there is room for 1; .* --gin.FRAMES=2'),
      (PictureSize(8), 2, 'is an array, where pictures are read'),
  ):
    with pytest.raises(UserError, match=f'own.jsonl:1: features .*{sentence}'):
      JsonlDocuments(path, size=size, frames=frames)


def test_arrays_of_numpy_are_held_to_the_same():
  for array, sentence in (
      (GOOD.astype(float), 'float64'), (GOOD[0], r'shape \[3, 4\]'),
      (with_number(np.nan), 'nan at'), ('a' * 9, 'does not exist'),
  ):
    with pytest.raises(UserError, match=sentence):
      media.open_features(media.features(array))


def test_training_batches_and_the_check_have_them(jsonl, tmp_path):
  path = jsonl(('features', 'a.npy', saved(GOOD)),
               ('features', 'b.npy', saved(-GOOD[:1])))
  lengths = {'tokens': 16, 'media': 1, 'frames': 2, 'image_size': SIZE}
  name = own_data.mixture(str(path), lengths)
  (batch,) = datasets.read(datasets.config(name, lengths, 2), 1)
  order = np.argsort(batch['own_data/example_id'][:, 0])
  found = batch['own_data/media'][order, 0, 0]
  np.testing.assert_array_equal(found, [GOOD, [-GOOD[0], 0 * GOOD[0]]])
  page = tmp_path / 'preview.html'
  report = check.check(
      path, vocabulary=default_vocabulary(),
      lengths={'tokens': 16, 'media': 1, 'frames': 1}, out_html=page,
  )
  assert not report.problems
  row = next(row for row in report.rows() if row[0] == 'features')
  assert row[1] == '2' and '3 x 4' in row[2] and '--gin.FRAMES=2' in row[2]
  assert page.read_text().count('src="data:image/png') == 2


def test_lengths_have_to_be_those_of_the_model():
  for size, reads in ((ArraySize(3, 5), SIZE), (8, SIZE), (SIZE, PictureSize(8))):
    with pytest.raises(UserError, match=f'image_size. of {size}, and the model'):
      pipeline.check_pictures({'own': {'image_size': size}}, reads)
  pipeline.check_pictures({'own': {'image_size': SIZE}}, SIZE)


def test_a_run_takes_its_shape_from_its_data(jsonl, tmp_path):
  path = jsonl(('features', 'bad.npy', b'x'), ('features', 'a.npy', saved(GOOD)))
  assert towers.array_encoder(path, 'features').size == SIZE
  folder = tmp_path / 'shards'
  parts = media.features(saved(GOOD)), 'It is.'
  write_shards([Document(parts, 'a', 1)], folder)
  assert towers.array_encoder(folder, 'features').size == SIZE
  for found, sentence in (
      ([('image', 'a.png', exporters.picture())], 'own.jsonl has pictures, where'),
      ([('features', 'gone.npy', None)], 'own.jsonl has no medium that can be'),
  ):
    with pytest.raises(UserError, match=sentence):
      towers.array_encoder(jsonl(*found), 'features')
  with pytest.raises(UserError, match='none.jsonl: cannot be read'):
    towers.array_encoder(tmp_path / 'none.jsonl', 'features')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are too large, and disks that fail."""

import errno
import io
import json
import os

import numpy as np
import pytest

from flamingo_jax.data import documents
from flamingo_jax.data import media
from flamingo_jax.data import moving
from flamingo_jax.data import video
from flamingo_jax.errors import UserError
from flamingo_jax.predictor import media_encoder
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare.source import Dropped
from tests.pictures import encode
from tests.prepare import exporters

QUARTERS = np.zeros((2, 2, 3), np.uint8)


def large_file(tmp_path, kind):
  path = tmp_path / f'a.{kind}'
  with open(path, 'wb') as file:
    file.write(encode(QUARTERS))
    if kind == 'padded':
      file.write(bytes(2**26))
    else:
      file.truncate(40 * 2**30)  # of which almost nothing is on the disk
  return path


@pytest.mark.parametrize('kind', ['padded', 'sparse'])
def test_a_picture_file_has_a_largest_size_everywhere(tmp_path, kind):
  path = large_file(tmp_path, kind)
  medium = media.image(path)
  sentence = r'bytes, and 67,108,864 are the most; make it smaller'
  for use in (
      lambda: media.load_frames(medium, 1, 8, None),  # generate, training
      lambda: media.read_file(medium),  # shards
      lambda: media_encoder.content(medium),  # latents that are kept
      lambda: fitting.MediaFitter(64).fit(medium),  # prepare
  ):
    with pytest.raises((UserError, Dropped), match=sentence):
      use()
  line = tmp_path / 'a.jsonl'
  line.write_text(json.dumps(
      {'parts': [{'image': path.name}, {'text': 'x'}]}
  ))
  for decode_at_most in (0, None):  # the header alone, all
    (found,) = documents.scan(line, decode_at_most)
    assert found.number == 1 and 'are the most' in found.problems[0]


def test_a_video_that_is_read_whole_has_a_largest_size(tmp_path):
  path = large_file(tmp_path, 'sparse')
  with pytest.raises(UserError, match='1,073,741,824 are the most'):
    media.read_file(media.video(path))
  # An animation is read by Pillow, which may take it whole.
  with pytest.raises(UserError, match='1,073,741,824 are the most'):
    media.load_frames(media.video(path), 1, 8, None)


@pytest.mark.parametrize('kind', ['image', 'video'])
@pytest.mark.parametrize('decode_at_most', [0, 9, None])
def test_a_disk_that_fails_is_the_problem_of_one_line(
    tmp_path, kind, decode_at_most
):
  # Reading it is an input/output error.
  failing = '/proc/self/mem'
  if not os.path.exists(failing):
    pytest.skip('needs Linux')
  (tmp_path / 'good.png').write_bytes(encode(QUARTERS))
  path = tmp_path / 'a.jsonl'
  path.write_text('\n'.join(
      json.dumps({'parts': [{k: name}, {'text': 'x'}]})
      for k, name in (('image', 'good.png'), (kind, failing),
                      ('image', 'good.png'))
  ))
  lines = list(documents.scan(path, decode_at_most))
  assert [line.number for line in lines] == [1, 2, 3]
  assert [bool(line.problems) for line in lines] == [False, True, False]
  (problem,) = lines[1].problems
  assert failing in problem and 'nput/output error' in problem
  with pytest.raises(UserError, match='nput/output error'):
    media.load_frames(media.Media(kind, failing), 1, 8, None)


def padded_video(tmp_path, format, codec):
  path = tmp_path / f'v.{format}'
  frames = np.zeros((20, 32, 48, 3), np.uint8)
  with open(path, 'wb') as file:
    file.write(exporters.encode_video(frames, 5, codec, 'yuv420p', format))
    file.truncate(40 * 2**30)
  return path


def test_nothing_searches_all_of_a_padded_video(tmp_path, monkeypatch):
  monkeypatch.setattr(moving, '_LONGEST_SEARCH', 2**22)
  path = padded_video(tmp_path, 'matroska', 'libx264')
  _, mask = media.load_frames(media.video(path), 8, 8, None)
  assert mask.tolist() == 4 * [True] + 4 * [False]
  with open(path, 'rb') as file:
    video.check_video(file, 'v', True)
  path = padded_video(tmp_path, 'h264', 'libx264')
  with pytest.raises(UserError, match='1,073,741,824 are the most'):
    media.load_frames(media.video(path), 8, 8, None)


class Failing(io.BytesIO):
  """A file on a disk that fails behind its first half."""

  def read(self, size=-1):
    """As of files, or the error."""
    if self.tell() > len(self.getbuffer()) // 2:
      raise OSError(errno.EIO, os.strerror(errno.EIO))
    return super().read(size)


def test_a_disk_that_fails_within_a_video_is_told(capfd):
  frames = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
  data = exporters.encode_video(frames, 5, 'libx264', 'yuv420p', 'matroska')
  assert len(data) > 100_000
  for use in (
      lambda: video.decode_clip(Failing(data), 'v', 9, None, 1.0),
      lambda: video.check_video(Failing(data), 'v', True),
  ):
    with pytest.raises(UserError, match='v cannot be .*nput/output error'):
      use()
  assert capfd.readouterr().err == ''

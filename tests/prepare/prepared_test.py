# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""flamingo check on a folder of shards, whole and damaged."""

import json

import pytest

from flamingo_jax.data.documents import image
from tests import shards
from tests.datasets import numbered
from tests.pictures import png
from tests.prepare.check_test import run


def write(folder, *parts):
  return shards.write_shards(numbered(len(parts), parts.__getitem__), folder)


@pytest.fixture
def folder(tmp_path):
  one = image(png(1))
  return write(
      tmp_path / 'train', (one, 'a cat'), (one, 'a cat', one, 'again'),
      (one, 'a cat'), (image(png(2)), 'a cat'),
  )


def test_a_good_folder(folder):
  report = run(folder)
  assert report.problems == []
  assert (report.documents, report.images, report.duplicates) == (4, 5, 1)
  assert report.media_counts == {1: 3, 2: 1}
  assert 0 < report.learned < report.tokens
  assert '1 images or videos in 75.0 %, 2 in 25.0 %' in str(report)


def test_a_flipped_bit_is_found_twice(folder):
  (shard,) = folder.glob('*.tfrecord')
  data = bytearray(shard.read_bytes())
  data[30] ^= 1
  shard.write_bytes(data)
  report = run(folder)
  lines = [line for line, _ in report.problems]
  told = str(report)
  assert 1 in lines and report.documents == 3
  assert 'another SHA-256' in told and 'damaged at byte 0' in told


def test_a_manifest_that_counts_wrong(folder):
  path = folder / 'manifest.json'
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps({**manifest, 'images': 9}))
  assert 'have 5 images, and manifest.json says 9' in str(run(folder))


def test_documents_that_teach_nothing(tmp_path):
  folder = write(
      tmp_path / 'train', ('text alone',), (image(png(1)),),
      (image(b'no image'), 'text'),
  )
  told = [problem for _, problem in run(folder).problems]
  assert 'no image or video' in told[0]
  assert 'no text' in told[1]
  assert 'not an image' in told[2]


def test_a_folder_of_texts_needs_no_picture(tmp_path):
  report = run(write(tmp_path / 'train', ('some text',), ('more text',)))
  assert report.documents == 2 and not report.problems


def test_a_folder_without_a_manifest(tmp_path):
  ((line, problem),) = run(tmp_path).problems
  assert line == 0 and 'manifest.json cannot be read' in problem

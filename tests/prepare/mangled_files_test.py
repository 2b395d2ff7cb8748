# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""No file crashes or stops a reader, and every drop is counted.

benchmarks/fuzz_prepare.py does the same with a thousand files of each.
"""

import random

import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import conversion
from flamingo_jax.prepare import fitting
from flamingo_jax.prepare import spool
from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.sources import img2dataset
from flamingo_jax.prepare.sources import jsonl
from flamingo_jax.prepare.sources import llava
from flamingo_jax.prepare.sources import mmc4
from flamingo_jax.prepare.sources import obelics
from flamingo_jax.prepare.sources import tfds
from flamingo_jax.prepare.sources import video
from flamingo_jax.prepare.sources import web_pages
from flamingo_jax.prepare.sources import webdataset
from tests.prepare import exporters
from tests.prepare import mangled_files

CASES = 8


def _source_of(reader, path, folder):
  """A source that reads one file; what it needs is written to a folder."""
  paths = (str(path),)
  images = FetchedImages(str(path.parent.parent / 'fetched'))
  if reader == 'fetched':
    images = FetchedImages(str(path.parent)).write_index(folder / 'index')
    return mmc4.Mmc4((str(path.parent / 'good.jsonl'),), images)
  if reader == 'video_captions':
    return video.Video((str(path.parent / 'good.mp4'),), captions=paths[0])
  return {
      'jsonl': jsonl.Jsonl, 'webdataset': webdataset.Webdataset,
      'img2dataset': img2dataset.Img2dataset,
      'obelics': lambda paths: obelics.Obelics(paths, images),
      'mmc4': lambda paths: mmc4.Mmc4(paths, images),
      'llava': llava.Llava, 'video': video.Video, 'html': web_pages.Html,
      'tfds': lambda paths: tfds.Tfds(
          ('drawn',), data_dir=str(path.parent.parent.parent)),
  }[reader.split('_')[0]](paths)


def convert(reader, path, folder):
  """The counts of all units, or what the user is told."""
  counts = spool.Counts()
  try:
    source = _source_of(reader, path, folder)
    for index, unit in enumerate(source.units()):
      conversion.convert_unit(
          source, fitting.MediaFitter(64), unit, folder, index, skip={})
      counts.merge(spool.read_counts(folder, index))
  except UserError as error:
    return str(error)
  return counts


def place_of(reader, folder):
  """Where the file of a reader has to be; beside it is what it names."""
  place = folder / 'in'
  place.mkdir(parents=True)
  (place / 'good.png').write_bytes(mangled_files.GOOD)
  (place / 'bomb.png').write_bytes(mangled_files.bomb_png())
  (place / 'good.mp4').write_bytes(mangled_files.VIDEO)
  (place / 'case.txt').write_text('caption')
  (place / 'good.jsonl').write_text(exporters.mmc4_line(['http://a']))
  exporters.write_tar(
      folder / 'fetched' / '0.tar', [exporters.fetched('http://a')]
  )
  name = 'case'
  if reader == 'tfds':
    place, name = _write_builder(place), 'drawn-train'
  return place / f'{name}.{mangled_files.READERS[reader]}'


def _write_builder(folder):
  """The folder of a builder of pictures with texts, of five examples."""
  from tensorflow_datasets import features

  example = {'image': np.zeros((8, 8, 3), np.uint8), 'said': 'x'}
  exporters.tfds(
      folder, {'image': features.Image(), 'said': features.Text()},
      [example] * 5,
  )
  return folder / 'drawn' / '1.0.0'


@pytest.mark.parametrize('reader', mangled_files.READERS)
def test_no_file_crashes_a_reader(tmp_path, reader):
  path = place_of(reader, tmp_path)
  before = sorted(tmp_path.rglob('*'))
  for number in range(CASES):
    path.write_bytes(mangled_files.case(reader, number))
    out = tmp_path / 'out' / str(number)
    out.mkdir(parents=True)
    counts = convert(reader, path, out)
    if not isinstance(counts, str):
      dropped = sum(drop['count'] for drop in counts.drops.values())
      assert counts.items == counts.documents + dropped
      assert not any('cannot be understood' in r for r in counts.drops)
  inside = tmp_path / 'out'
  after = [p for p in tmp_path.rglob('*') if p != inside
           and not p.is_relative_to(inside) and p != path]
  assert sorted(after) == [p for p in before if p != path], (
      'something was written elsewhere')


@pytest.mark.parametrize('reader', mangled_files.READERS)
def test_a_good_file_of_each_reader_gives_documents(tmp_path, reader):
  path = place_of(reader, tmp_path)
  data = mangled_files.good_file(reader, random.Random(0))
  path.write_bytes(data.replace(b'Infinity', b'0.5'))
  (tmp_path / 'out').mkdir()
  counts = convert(reader, path, tmp_path / 'out')
  assert not isinstance(counts, str), counts
  assert counts.documents, counts

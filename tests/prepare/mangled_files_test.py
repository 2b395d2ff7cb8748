# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""No file crashes or stops a reader, and every drop is counted.

benchmarks/fuzz_prepare.py does the same with a thousand files of each.
"""

import json

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
from flamingo_jax.prepare.sources import video
from flamingo_jax.prepare.sources import web_pages
from flamingo_jax.prepare.sources import webdataset
from tests.prepare import exporters
from tests.prepare import mangled_files

CASES = 8


def source_of(reader, path, fetched):
  """A source of one file."""
  paths = (str(path),)
  images = FetchedImages(str(fetched))
  return {
      'jsonl': lambda: jsonl.Jsonl(paths),
      'webdataset': lambda: webdataset.Webdataset(paths),
      'img2dataset': lambda: img2dataset.Img2dataset(paths),
      'obelics': lambda: obelics.Obelics(paths, images),
      'mmc4': lambda: mmc4.Mmc4(paths, images),
      'llava': lambda: llava.Llava(paths),
      'video': lambda: video.Video(paths),
  }.get(reader, lambda: web_pages.Html(paths))()


def convert(source, folder):
  """The counts of all units, or what the user is told."""
  counts = spool.Counts()
  try:
    for index, unit in enumerate(source.units()):
      conversion.convert_unit(
          source, fitting.MediaFitter(64), unit, folder, index, skip={})
      counts.merge(spool.read_counts(folder, index))
  except UserError as error:
    return str(error)
  return counts


def prepare_folder(folder):
  """What the files name; returns where images were fetched to."""
  (folder / 'in').mkdir(parents=True)
  (folder / 'in' / 'good.png').write_bytes(mangled_files.IMAGES[0])
  (folder / 'in' / 'bomb.png').write_bytes(mangled_files.bomb_png())
  (folder / 'in' / 'case.txt').write_text('caption')
  exporters.write_tar(folder / 'fetched' / '0.tar', [{
      'png': mangled_files.IMAGES[0],
      'json': json.dumps({'url': 'http://a', 'status': 'success'}).encode(),
  }])
  return folder / 'fetched'


@pytest.mark.parametrize('reader', mangled_files.READERS)
def test_no_file_crashes_a_reader(tmp_path, reader):
  fetched = prepare_folder(tmp_path)
  path = tmp_path / 'in' / f'case.{mangled_files.READERS[reader]}'
  before = sorted(tmp_path.rglob('*'))
  for number in range(CASES):
    path.write_bytes(mangled_files.case(reader, number))
    out = tmp_path / 'out' / str(number)
    out.mkdir(parents=True)
    counts = convert(source_of(reader, path, fetched), out)
    if not isinstance(counts, str):
      dropped = sum(counts.drops.counts.values())
      assert counts.items == counts.documents + dropped
      assert not any('cannot be understood' in r for r in counts.drops.counts)
    path.unlink()
  inside = tmp_path / 'out'
  after = [p for p in tmp_path.rglob('*') if p != inside
           and not p.is_relative_to(inside)]
  assert sorted(after) == before, 'something was written elsewhere'


def test_a_good_file_of_each_reader_gives_documents(tmp_path):
  import random

  fetched = prepare_folder(tmp_path)
  for number, reader in enumerate(mangled_files.READERS):
    path = tmp_path / 'in' / f'case.{mangled_files.READERS[reader]}'
    data = mangled_files.good_file(reader, random.Random(0))
    path.write_bytes(data.replace(b'Infinity', b'0.5'))
    out = tmp_path / f'out{number}'
    out.mkdir()
    counts = convert(source_of(reader, path, fetched), out)
    assert counts.documents, (reader, counts)

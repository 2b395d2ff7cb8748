# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which files a source reads, by how their names end."""

import gzip
import random

import pytest

from flamingo_jax.errors import UserError
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

SOURCES = [
    img2dataset.Img2dataset, jsonl.Jsonl, llava.Llava, mmc4.Mmc4,
    obelics.Obelics, video.Video, web_pages.Html, webdataset.Webdataset,
]
TAR = exporters.fetched('http://a') | {'txt': b'caption'}


@pytest.mark.parametrize('source', SOURCES, ids=lambda kind: kind.__name__)
def test_a_named_file_of_another_kind_is_an_error(tmp_path, source):
  path = tmp_path / 'data.xyz'
  path.write_text('{}')
  with pytest.raises(UserError) as told:
    source((str(path),)).units()
  assert str(path) in str(told.value) and 'rename' in str(told.value)


@pytest.mark.parametrize('source, name, data', [
    (web_pages.Html, 'A.HTML', b'<p>x</p>'),
    (web_pages.Html, 'A.Jsonl', b'{"url": "u", "html": "<p>x</p>"}'),
    (web_pages.Html, 'A.WARC.GZ',
     mangled_files.good_file('html_warc', random.Random(0))),
    (llava.Llava, 'A.JSON', b'[{}]'),
    (jsonl.Jsonl, 'A.JSONL.GZ', gzip.compress(b'{}', mtime=0)),
], ids=lambda value: value if isinstance(value, str) else '')
@pytest.mark.parametrize('in_folder', [False, True])
def test_upper_case_is_no_other_ending(
    tmp_path, source, name, data, in_folder
):
  (tmp_path / name).write_bytes(data)
  read = source((str(tmp_path if in_folder else tmp_path / name),))
  items = [item for unit in read.units() for item in read.read(unit)]
  assert len(items) == 1 and hasattr(items[0], 'value')


@pytest.mark.parametrize('source', [
    img2dataset.Img2dataset, video.Video, webdataset.Webdataset,
], ids=lambda kind: kind.__name__)
def test_tar_files_in_upper_case(tmp_path, source):
  exporters.write_tar(tmp_path / 'A.TAR', [TAR, TAR])
  read = source((str(tmp_path),))
  items = [item for unit in read.units() for item in read.read(unit)]
  assert [set(item.value) for item in items] == [set(TAR)] * 2


def test_captions_and_fetched_images_in_upper_case(tmp_path):
  captions = tmp_path / 'A.CSV'
  captions.write_text('path,caption\nA.MP4,words\n')
  (tmp_path / 'A.MP4').touch()
  units = video.Video((str(tmp_path),), captions=str(captions)).units()
  assert [unit.members for unit in units] == [('A.MP4',)]
  fetched = tmp_path / 'fetched'
  fetched.mkdir()
  (fetched / 'A.JSON').write_bytes(TAR['json'])
  (fetched / 'A.png').write_bytes(b'png')
  assert FetchedImages(str(fetched)).read('http://a') == b'png'

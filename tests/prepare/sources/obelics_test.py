# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rows that are no pages."""

import base64

import pyarrow
from pyarrow import parquet
import pytest

from tests.prepare import exporters

ADDRESS = 'http://x.org/0.png'  # of what is fetched
GOOD = {'images': [ADDRESS, None], 'texts': [None, 'A text.']}


@pytest.mark.parametrize('row', [
    {'images': [ADDRESS.encode(), None], 'texts': [None, b'A text.']},
    {'images': [ADDRESS, None], 'texts': [None, None]},
    {'images': [ADDRESS], 'texts': [None, 'A text.']},
    {'images': None, 'texts': ['A text.']},
])
def test_a_row_that_is_no_page_is_counted(tmp_path, prepare, fetched, row):
  paths = [tmp_path / '0.parquet', tmp_path / '1.parquet']
  for path, only in zip(paths, (GOOD, row)):
    parquet.write_table(pyarrow.Table.from_pylist([only]), path)
  run = prepare('obelics', *paths, fetched)
  assert run.manifest['documents'] == 1
  assert run.drops == {'row is not a page of OBELICS': 1}
  urls = tmp_path / 'urls.txt'
  prepare('obelics', *paths, f'--list_urls={urls}', out=None)
  assert urls.read_text().split() == [ADDRESS]


def test_texts_around_a_missing_image_are_paragraphs(
    tmp_path, prepare, fetched
):
  row = {
      'images': [None, 'http://x.org/gone.png', None, ADDRESS, None, None],
      'texts': ['On the beach.', None, 'Here is a cake.', None, 'One.', 'Two.'],
  }
  path = tmp_path / '0.parquet'
  parquet.write_table(pyarrow.Table.from_pylist([row]), path)
  (document,) = prepare('obelics', path, fetched).documents
  first, _, last = document.parts
  assert first == 'On the beach.\n\nHere is a cake.'
  assert last == 'One.\n\nTwo.'


@pytest.mark.parametrize('images, texts, parts', [
    ([ADDRESS, ''], ['', 'A text.'], ['image', 'A text.']),
    ([ADDRESS], ['A text.'], ['image', 'A text.']),
    (['', ADDRESS], ['Before.', 'A text.'], ['Before.', 'image', 'A text.']),
    (['', ADDRESS], ['A text.', None], ['A text.', 'image']),
])
def test_no_image_is_lost_to_a_text_in_its_place(
    tmp_path, prepare, fetched, images, texts, parts
):
  path = tmp_path / '0.parquet'
  row = {'images': images, 'texts': texts}
  parquet.write_table(pyarrow.Table.from_pylist([row]), path)
  run = prepare('obelics', path, fetched)
  (found,) = run.parts
  assert [p if isinstance(p, str) else p.kind for p in found] == parts
  assert run.losses == {}


def test_an_image_without_an_address_is_counted(tmp_path, prepare, fetched):
  path = tmp_path / '0.parquet'
  row = {'images': [ADDRESS, '', None], 'texts': [None, None, 'A text.']}
  parquet.write_table(pyarrow.Table.from_pylist([row]), path)
  assert prepare('obelics', path, fetched).losses == {
      'image has no address': 1
  }


@pytest.mark.parametrize('kind', ['obelics', 'mmc4'])
def test_images_in_data_uris_are_read_and_not_fetched(
    tmp_path, prepare, fetched, kind
):
  png = exporters.picture()
  uri = f'data:image/png;base64,{base64.b64encode(png).decode()}'
  path = tmp_path / ('0.parquet' if kind == 'obelics' else '0.jsonl')
  if kind == 'obelics':
    row = {'images': [uri, ADDRESS, None], 'texts': [None, None, 'A text.']}
    parquet.write_table(pyarrow.Table.from_pylist([row]), path)
  else:
    path.write_text(exporters.mmc4_line(
        [uri, ADDRESS], ['One.', 'Two.'], [[0.9, 0.1], [0.1, 0.9]]
    ))
  (found,) = prepare(kind, path, fetched).parts
  assert [p.data for p in found if not isinstance(p, str)][0] == png
  urls = tmp_path / 'urls.txt'
  prepare(kind, path, f'--list_urls={urls}', out=None)
  assert urls.read_text() == f'{ADDRESS}\n'

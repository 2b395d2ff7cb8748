# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rows that are no pages."""

import json

import pyarrow
from pyarrow import parquet
import pytest

from flamingo_jax import cli
from tests.prepare import exporters
from tests.prepare import mangled_files

URL = 'http://a.b/c.png'
GOOD = {'images': [URL, None], 'texts': [None, 'A text.']}


@pytest.mark.parametrize('row', [
    {'images': [URL.encode(), None], 'texts': [None, b'A text.']},
    {'images': [URL, None], 'texts': [None, None]},
    {'images': [URL], 'texts': [None, 'A text.']},
    {'images': None, 'texts': ['A text.']},
])
def test_a_row_that_is_no_page_is_counted(tmp_path, row, capsys):
  exporters.write_tar(tmp_path / 'fetched' / '0.tar', [{
      'png': mangled_files.picture(),
      'json': json.dumps({'url': URL, 'status': 'success'}).encode(),
  }])
  for name, rows in (('0', [GOOD]), ('1', [row])):
    parquet.write_table(
        pyarrow.Table.from_pylist(rows), tmp_path / f'{name}.parquet'
    )
  out, urls = tmp_path / 'out', tmp_path / 'urls.txt'
  paths = [str(tmp_path / '0.parquet'), str(tmp_path / '1.parquet')]
  assert cli.main([
      'prepare', 'obelics', *paths, f'--images={tmp_path / "fetched"}',
      f'--out={out}', '--workers=0',
  ]) == 0
  capsys.readouterr()
  manifest = json.loads((out / 'manifest.json').read_text())
  assert manifest['documents'] == 1
  ((reason, drop),) = manifest['drops'].items()
  assert reason == 'row is no page of OBELICS' and drop['count'] == 1
  assert cli.main(['prepare', 'obelics', *paths, f'--list_urls={urls}']) == 0
  assert urls.read_text().split() == [URL]

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""URLs are listed, looked up and found in the one spelling of browsers."""

import json

import pytest

from flamingo_jax.prepare import web_urls
from flamingo_jax.prepare.fetched import FetchedImages
from tests.prepare import exporters

BASE = 'http://base.org/dir/page.html?q'


@pytest.mark.parametrize('url, expected', [
    ('http://a.org/\xfc b.png?x=\xe9 "<>`#c',
     'http://a.org/%C3%BC%20b.png?x=%C3%A9%20%22%3C%3E`'),
    ('http:\\\\a.org\\b\\c.png?d\\e', 'http://a.org/b/c.png?d\\e'),
    ('\\img\\a.png', 'http://base.org/img/a.png'),
    ('\\\\cdn.org\\a.png', 'http://cdn.org/a.png'),
    ('..\\a.png', 'http://base.org/a.png'),
    ('b\xfc.png', 'http://base.org/dir/b%C3%BC.png'),
    ('http://b\xfccher.de/a', 'http://xn--bcher-kva.de/a'),
    ('HTTP://A.org:80/b/../c%41%zz.png', 'http://a.org/c%41%zz.png'),
    ('a\tb\n.png', 'http://base.org/dir/ab.png'),
    ('a%20b+c.png', 'http://base.org/dir/a%20b+c.png'),
    ('\u732b\ud800.png', 'http://base.org/dir/%E7%8C%AB%EF%BF%BD.png'),
    ('http://[bad/a.png', ''), ('http://a b/c.png', ''),
])
def test_urls_are_those_that_browsers_request(url, expected):
  assert web_urls.requested(url, BASE) == expected
  assert web_urls.requested(expected) == expected


SPELLINGS = (
    'http://a.b/\xfc b.png', 'http://a.b\\\xfc b.png', 'http://A.b/%C3%BC b.png#c'
)
ASKED = 'http://a.b/%C3%BC%20b.png'


@pytest.mark.parametrize('there', [*SPELLINGS, ASKED])
def test_an_image_is_found_by_any_spelling(tmp_path, there):
  exporters.write_tar(tmp_path / '0.tar', [exporters.fetched(there)])
  fetched = FetchedImages(str(tmp_path))
  assert len({fetched.read(url) for url in (*SPELLINGS, ASKED)}) == 1


@pytest.mark.parametrize('kind', ['html', 'mmc4'])
def test_what_is_listed_is_what_is_looked_up(tmp_path, prepare, kind):
  lines = {
      'html': json.dumps({'url': BASE, 'html': exporters.page(
          [exporters.PROSE.format(0), SPELLINGS[1].encode()], bytes.decode
      )}),
      'mmc4': exporters.mmc4_line([SPELLINGS[1]]),
  }
  source = tmp_path / 'in.jsonl'
  source.write_text(lines[kind], encoding='utf-8')
  urls = tmp_path / 'urls.txt'
  prepare(kind, source, f'--list_urls={urls}', out=None)
  (listed,) = urls.read_text(encoding='ascii').split('\n')[:-1]
  assert listed == ASKED
  exporters.write_tar(tmp_path / 'got' / '0.tar', [exporters.fetched(listed)])
  assert len(prepare(kind, source, f'--images={tmp_path / "got"}').parts) == 1

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Hand-written pages, and what a reader of each would see."""

import pathlib

import pytest

from flamingo_jax.prepare.pages import charsets
from flamingo_jax.prepare.pages import dom

GOLDEN = pathlib.Path(__file__).parent / 'golden'
URL = 'http://example.org/dir/page.html'


def render(html):
  """Texts as they are, images as [URL], more URLs behind |; [] has none."""
  lines = []
  for node in dom.read_page(html, URL):
    if isinstance(node, dom.Text):
      lines.append(node.gap.replace('\n', '\\') + node.text)
    else:
      urls = [url if len(url) < 99 else f'{url[:60]}...' for url in node.urls]
      size = [str(n) for n in (node.width, node.height) if n is not None]
      lines.append(f'[{" | ".join(urls)}] {" x ".join(size)}'.rstrip())
  return '\n'.join(lines) + '\n'


@pytest.mark.parametrize(
    'path', sorted(GOLDEN.glob('*.html')), ids=lambda path: path.stem
)
def test_golden_page(path):
  html = charsets.decode(path.read_bytes())
  assert render(html) == path.with_suffix('.txt').read_text(encoding='utf-8')


def test_all_golden_pages_are_there():
  assert len(list(GOLDEN.glob('*.html'))) == 24


def test_a_page_of_ten_megabytes_is_read():
  words = 'Some words and a picture. ' * 20
  paragraph = f'<p>{words}</p><img src="{{}}.jpg">'
  html = ''.join(paragraph.format(i) for i in range(20_000))
  assert len(html) > 10_000_000
  nodes = dom.read_page(html, URL)
  assert len(nodes) == 40_000
  assert nodes[-1].urls == ('http://example.org/dir/19999.jpg',)


def test_paragraphs_that_are_never_closed_do_not_nest():
  assert len(dom.read_page('<p>one' * 5000, URL)) == 5000


def test_nul_characters_do_not_end_a_page():
  nodes = dom.read_page('<p>a\0b</p><img src="x\0.jpg">', URL)
  assert [type(n) for n in nodes] == [dom.Text, dom.Image]

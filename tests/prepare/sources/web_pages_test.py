# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images of pages that are left out are counted."""

import os

import pytest

from flamingo_jax.prepare import fitting
from flamingo_jax.prepare.pages import reading
from flamingo_jax.prepare.source import Dropped, Item
from flamingo_jax.prepare.sources import web_pages
from tests.prepare import mangled_files
from tests.prepare.pages import filters_test


def test_an_image_without_an_address_is_counted(tmp_path):
  (tmp_path / 'a.png').write_bytes(mangled_files.GOOD)
  html = (f'<p>{filters_test.GOOD} <img src="spacer.gif">And more.</p>'
          '<img src="a.png"><img alt="nothing">')
  page = reading.Page('file:///a.html', html.encode(), root=str(tmp_path))
  source, item = web_pages.Html(()), Item('a.html', page)
  converted = source.convert(item, fitting.MediaFitter(64))
  text, image = converted.document.parts
  assert text.endswith('And more.') and image.data
  assert [loss.reason for loss in converted.losses] == [
      'image has no address'
  ] * 2
  assert source.urls(item) == []


def test_a_page_whose_images_have_no_address(tmp_path):
  page = reading.Page('http://a.org/', b'<p>Some words.</p><img src="1x1.gif">')
  with pytest.raises(Dropped) as told:
    web_pages.Html(()).convert(Item('a', page), fitting.MediaFitter(64))
  assert told.value.detail == 'image has no address'


def test_images_beside_a_page_may_have_any_name(tmp_path):
  (tmp_path / 'a_files').mkdir()
  for name in (b'a_files/\xff.png', 'a_files/\xfc b.png'.encode()):
    (tmp_path / os.fsdecode(name)).write_bytes(mangled_files.GOOD)
  html = (f'<img src="a_files\\%FF.png"><p>{filters_test.GOOD}</p>'
          '<img src="a_files\\\xfc b.png"><img src="%00.png">')
  page = reading.Page('file:///a.html', html.encode(), root=str(tmp_path))
  converted = web_pages.Html(()).convert(
      Item('a.html', page), fitting.MediaFitter(64)
  )
  first, text, second = converted.document.parts
  assert first.data and second.data
  assert text == ' '.join(filters_test.GOOD.split())
  assert [loss.detail for loss in converted.losses] == ['file:///%00.png']

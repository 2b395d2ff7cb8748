# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images of pages that are left out are counted."""

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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages show hostile names and texts, and nothing of these is page."""

import base64
import html.parser
import io
import json

import numpy as np
import PIL.Image
import pytest

from flamingo_jax import html_page
from flamingo_jax.data.media import image
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.evaluation import gallery
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.prepare import check
from launch import quickstart

PLAIN = 'a plain name'
# Ends of an attribute, a title and a style, elements, a template and an entity;
# then what has text read backwards, a control, and a byte that is no text.
HOSTILE = '"\'></title></style><script>1</script><b c=d>'
TEXT = '{{ 7 * 7 }}{% x %}&lt;'
UNSEEN = {'\u202e': '\\u202e', '\u2066': '\\u2066', '\a': '\\u0007'}
BROKEN = {'\udce9': '\\udce9'}


class Reader(html.parser.HTMLParser):
  """What a page is made of, and what it shows."""

  def __init__(self, page):
    super().__init__()
    self.elements, self.shown = set(), ''
    self.feed(page)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.elements |= {(tag, name) for name, _ in attrs} | {(tag, None)}
    self.shown += ''.join(f'{v}\n' for name, v in attrs if name == 'title')

  def handle_data(self, data):
    self.shown += data


@pytest.fixture(name='name')
def name_fixture(tmp_path):
  """Makes a picture with as much of a text in its name as a name may hold."""

  def make(text):
    name = f'{text.replace("/", "")}.png'
    pixels = np.zeros((8, 8, 3), np.uint8)
    with (tmp_path / name).open('wb') as file:
      PIL.Image.fromarray(pixels).save(file, 'png')
    return name

  return make


def preview(text, name, folder):
  path = folder / name.replace('.png', '.jsonl')
  spoken = text.replace('\udce9', '')  # is refused in texts
  path.write_text(''.join(json.dumps(row) + '\n' for row in (
      {'parts': [{'image': name}, {'text': spoken}]},
      {'parts': [{'image': f'no {name}'}, {'text': text}], text: text},
  )))
  check.check(
      path, vocabulary=default_vocabulary(),
      lengths={'tokens': 2000, 'media': 1, 'frames': 1},
      out_html=folder / 'page.html',
  )
  return (folder / 'page.html').read_text(encoding='utf-8')


def example(text, name, folder):
  query, missing = (
      Sample((image(folder / n),), text, (text,), text, 0)
      for n in (name, f'no {name}')
  )
  return gallery.Example(query, [query, missing], text, text)


def examples(text, name, folder):
  return gallery.render(text, [example(text, name, folder)])


def report(text, name, folder):
  shown = [gallery.shown(example(text, name, folder))]
  points = {0: (50.0, 45.0, 55.0)}
  scores = {(text, text, 'top1'): points, quickstart._BIND: points}
  return quickstart.render(
      scores, scores, episodes=shown, captions=shown,
      shots_plot='', losses='', gates='',
  )


@pytest.mark.parametrize('page', [preview, examples, report])
def test_what_is_hostile_is_shown_and_no_part_of_the_page(
    page, name, tmp_path
):
  unseen = UNSEEN | BROKEN
  hostile = HOSTILE + TEXT + ''.join(unseen)
  read = page(hostile, name(hostile), tmp_path)
  read.encode('utf-8')  # can be written
  assert not [c for c in unseen if c in read]
  found = Reader(read)
  plain = Reader(page(PLAIN, name(PLAIN), tmp_path))
  assert found.elements == plain.elements
  assert TEXT + ''.join(unseen.values()) in found.shown
  assert PLAIN in plain.shown


def test_a_heat_map_is_blue_below_zero_and_red_above():
  uri = html_page.heat_map(np.array([[[-2.0, 1.0]], [[0.0, 2.0]]]))
  data = base64.b64decode(uri.partition(',')[2])
  pixels = np.asarray(PIL.Image.open(io.BytesIO(data))).astype(int)
  assert pixels.shape == (128, 128, 3)
  (blue, white), (pink, red) = pixels[::127, ::127]
  assert (white == 255).all()
  assert blue[2] > blue[0] + 100 and red[0] > red[2] + 100
  assert pink[0] > red[0] and pink[2] > red[2]  # half as far from white
  page = html_page.heat_map(np.ones((1, 1000, 3), np.float16))
  size = PIL.Image.open(io.BytesIO(base64.b64decode(page.partition(',')[2]))).size
  assert size == (128, 3)  # means of neighbours

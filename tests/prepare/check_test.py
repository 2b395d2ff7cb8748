# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What flamingo check reports, on real photographs and on broken files."""

import html.parser
import json
import re

import numpy as np
import PIL.Image
import pytest
import skimage.data

from flamingo_jax.data import interleaved
from flamingo_jax.data import vocabulary as vocabulary_lib
from flamingo_jax.data.documents import JsonlDocuments
from flamingo_jax.data.misfits import Misfits
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import check
from tests.prepare import exporters

VOCABULARY = vocabulary_lib.default_vocabulary()
LENGTHS = {'tokens': 256, 'media': 5, 'frames': 8}


@pytest.fixture
def folder(tmp_path):
  for name in ('astronaut', 'coffee', 'chelsea'):
    photo = PIL.Image.fromarray(getattr(skimage.data, name)())
    photo.save(tmp_path / f'{name}.jpg')
  moving = [PIL.Image.new('RGB', (8, 8), (50 * i, 0, 0)) for i in range(4)]
  moving[0].save(tmp_path / 'moving.gif', save_all=True,
                 append_images=moving[1:], duration=1000)
  (tmp_path / 'cut.jpg').write_bytes(
      (tmp_path / 'coffee.jpg').read_bytes()[:3000])
  (tmp_path / 'empty.mp4').touch()
  return tmp_path


def image(name):
  return {'image': f'{name}.jpg'}


def text(words):
  return {'text': words}


def write(folder, *documents):
  path = folder / 'own.jsonl'
  lines = [d if isinstance(d, str) else json.dumps({'parts': d})
           for d in documents]
  path.write_text('\n'.join(lines) + '\n')
  return path


GOOD = (
    [image('astronaut'), text('A woman smiles.')],
    [text('Two:'), image('coffee'), text('Coffee.'), image('chelsea'),
     text('A cat. ' * 20)],
    [{'video': 'moving.gif'}, text('It turns red.')],
)


def run(path, out_html=None, **lengths):
  return check.check(path, vocabulary=VOCABULARY, lengths=LENGTHS | lengths,
                     out_html=out_html)


def test_counts(folder):
  path = write(folder, *GOOD)
  report = run(path, tokens=30, media=1)
  sizes = [
      len(interleaved.tokenize_document(doc.parts, VOCABULARY).tokens)
      for doc in JsonlDocuments(path)
  ]
  assert (report.documents, report.images, report.videos) == (3, 3, 1)
  assert (report.tokens, report.longest) == (sum(sizes), max(sizes))
  found = report.misfits
  assert (found.truncated, found.crowded, found.left_out) == (1, 1, 1)
  assert report.problems == []
  for row in (r'documents +3\n',
              r'truncated +1  33.3 % .*longer than 30 tokens',
              r'left out +1  after the first 1',
              r'problems +0  every file can be read'):
    assert re.search(row, str(report)), row


def test_a_document_that_just_fits_is_not_truncated(folder):
  path = write(folder, GOOD[0])
  size = run(path).longest
  # The last token is predicted and never read.
  assert run(path, tokens=size - 1).misfits.truncated == 0
  assert run(path, tokens=size - 2).misfits.truncated == 1


def test_lengths_and_media_in_bins():
  report = check.Report('x', Misfits(LENGTHS), documents=5)
  report.sizes += [3, 16, 17, 40, 200]
  report.media_counts.update([1, 1, 3, 9, 30])
  assert report.lengths() == [
      ('1 to 16', 2), ('17 to 32', 1), ('33 to 64', 1), ('65 to 128', 0),
      ('129 to 256', 1),
  ]
  assert report.media() == [
      ('0', 0), ('1', 2), ('2', 0), ('3', 1), *((str(n), 0) for n in (4, 5, 6)),
      ('7', 0), ('8', 0), ('more than 8', 2),
  ]
  assert re.search(
      r'longest +200  1 to 16 tokens in 40.0 %, 17 to 32 tokens in 20.0 %, 33 '
      r'to 64 tokens in 20.0 %, 129 to 256 tokens in 20.0 %\n', str(report)
  )


def test_a_bar_for_each_bin(folder):
  parsed, source, report = page(folder, GOOD)
  bars = [a['style'] for tag, a in parsed.elements
          if tag == 'span' and '--share' in a.get('style', '')]
  assert len(bars) == len(report.lengths()) + len(report.media())
  assert bars[-3:] == ['--share:0.000', '--share:1.000', '--share:0.500']
  assert '<dt>2</dt><dd><span style="--share:0.500"></span>1</dd>' in source


def test_a_video_that_is_cut_in_its_later_half_is_a_problem(folder):
  noise = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)
  data = exporters.encode_video(noise, rate=1)
  (folder / 'cut.mp4').write_bytes(data.replace(
      data[len(data) * 6 // 10 : len(data) * 8 // 10],
      bytes(len(data) * 8 // 10 - len(data) * 6 // 10),
  ))
  (folder / 'whole.mp4').write_bytes(data)
  path = write(folder, *(
      [{'video': f'{name}.mp4'}, text('It moves.')] for name in ('cut', 'whole')
  ))
  ((line, problem),) = run(path).problems
  assert line == 1 and 'cut.mp4 cannot be decoded beyond second ' in problem
  assert len(JsonlDocuments(path)) == 2, 'training looks at the first frame'


def test_one_bad_line_hides_no_other(folder):
  path = write(
      folder,
      '{"parts": [',
      GOOD[0],
      [image('absent'), text('x'), image('cut')],
      [{'video': 'empty.mp4'}, text(' ')],
      [text('no image')],
      GOOD[2],
  )
  report = run(path)
  assert [line for line, _ in report.problems] == [1, 3, 3, 4, 4, 5]
  assert (report.documents, report.images, report.videos) == (2, 1, 1)
  printed = str(report)
  for line, sign in ((1, 'not JSON'), (3, 'absent.jpg'), (3, 'cut.jpg'),
                     (4, 'empty text'), (4, 'empty.mp4'), (5, 'no image')):
    assert re.search(rf'own.jsonl:{line}: .*{sign}', printed), (line, sign)


def test_other_keys_are_told_once_and_are_no_problem(folder):
  path = write(folder, *(
      json.dumps({'id': f'b{i}', 'url': 'http://x', 'parts': parts})
      for i, parts in enumerate(GOOD)
  ), GOOD[0])
  html = folder / 'preview.html'
  report = run(path, html)
  assert report.problems == [] and report.documents == len(GOOD) + 1
  told, = (line for line in str(report).split('\n') if 'other keys' in line)
  assert "'url' in 75.0 %" in told and '"id" names documents' in told
  assert all(f'(id &#39;b{i}&#39;)' in html.read_text() for i in range(3))
  assert 'other keys' not in str(run(write(folder, *GOOD)))


def test_nothing_but_problems(folder):
  path = write(folder, 'nothing', 'at all')
  report = run(path, out_html=folder / 'page.html')
  assert len(report.problems) == 2 and report.documents == 0
  assert 'line 2' in (folder / 'page.html').read_text()


def test_a_missing_file_is_a_problem(tmp_path):
  (line, message), = run(tmp_path / 'absent.jsonl').problems
  assert line == 0 and 'cannot be read' in message


def test_a_page_that_cannot_be_written_is_named(folder):
  with pytest.raises(UserError, match='page.html cannot be written'):
    run(write(folder, GOOD[0]), out_html=folder / 'absent' / 'page.html')


class Page(html.parser.HTMLParser):
  """Collects the elements of a page, and fails on tags that do not match."""

  VOID = {'meta', 'img', 'br', 'li'}

  def __init__(self, path):
    super().__init__()
    self.open, self.elements = [], []
    self.feed(path.read_text())
    assert not self.open

  def handle_starttag(self, tag, attributes):
    self.elements.append((tag, dict(attributes)))
    if tag not in self.VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def with_class(self, tag, name):
    return [a for t, a in self.elements
            if t == tag and name in a.get('class', '').split()]


def page(folder, documents, **options):
  out = folder / 'page.html'
  report = run(write(folder, *documents), out_html=out, **options)
  return Page(out), out.read_text(), report


def test_the_page_needs_no_other_file(folder):
  parsed, source, _ = page(folder, GOOD)
  images = [a['src'] for tag, a in parsed.elements if tag == 'img']
  assert len(images) == 3 + 4, 'three pictures and four frames of the video'
  assert all(src.startswith('data:image/jpeg;base64,') for src in images)
  tags = {tag for tag, _ in parsed.elements}
  assert not tags & {'script', 'link', 'iframe'}
  assert 'url(' not in source


def test_the_page_colors_tokens_by_what_they_see(folder):
  parsed, _, _ = page(folder, [GOOD[1]])
  doc = interleaved.tokenize_document(
      JsonlDocuments(folder / 'own.jsonl')[0].parts, VOCABULARY
  )
  tokens = parsed.with_class('span', 't')
  figures = [a['style'] for tag, a in parsed.elements if tag == 'figure']
  assert len(tokens) == len(doc.tokens)
  for i, (token, index) in enumerate(zip(tokens, doc.media_index)):
    assert token.get('style') == (figures[index - 1] if index else None)
    assert ('blind' in token['class'].split()) == (index == 0)
    is_given = i == 0 or bool(doc.is_tag[i])
    assert ('given' in token['class'].split()) == is_given


def test_the_page_says_what_is_cut(folder):
  parsed, source, _ = page(folder, [GOOD[1]], tokens=20, media=1)
  assert len(parsed.with_class('figure', 'unseen')) == 1
  assert len(parsed.with_class('span', 't')) == 21
  assert 'first 20 shown' in source and '1 media left out' in source


def test_characters_of_several_tokens_are_whole(folder):
  words = 'caf\u00e9 \u732b \U0001f9a9!'
  _, source, _ = page(folder, [[image('coffee'), text(words)]])
  assert all(c in source for c in '\u00e9\u732b\U0001f9a9')
  assert '\ufffd' not in source


def test_twenty_samples_from_all_over(folder):
  documents = [[image('coffee'), text(f'Number {i}.')] for i in range(100)]
  parsed, source, report = page(folder, documents)
  lines = [int(n) for n in re.findall(r'<b>line (\d+)</b>', source)]
  assert report.documents == 100 and len(lines) == 20
  assert lines == sorted(set(lines))
  assert lines[0] <= 20 and lines[-1] > 80

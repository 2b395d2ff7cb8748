# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Whether prepared pages keep the order of their text and images.

  flamingo prepare html PAGES --out=DIR
  python -m benchmarks.page_order DIR

Reads the pages again, with Python's own parser instead of ours, and looks for
each line and each image of a document behind the one before it. Prints one line
of JSON, and the first that stand elsewhere. For pages of a folder, whose images
are told apart by the names of their files.
"""

import argparse
from collections.abc import Iterator
import html.parser
import json
import pathlib
import re
import sys
from urllib import parse

from flamingo_jax.data.media import Media
from flamingo_jax.data.records import RecordDocuments
from flamingo_jax.errors import status_of

_IMAGE = '\x01{}\x02'
_ANY_IMAGES = '(?:\x01[^\x02]*\x02)*'
_LETTERS = 60  # of a line that are compared


class _Page(html.parser.HTMLParser):
  """The text of a page without spaces, its images in between."""

  def __init__(self, page: str):
    super().__init__(convert_charrefs=True)
    self._hidden = 0
    self._found = []
    self.feed(page)
    self.flat = ''.join(self._found)

  def handle_starttag(self, tag, attrs):
    self._hidden += tag in ('script', 'style')
    if tag == 'img':
      path = parse.urlsplit(dict(attrs).get('src') or '').path
      self._found.append(_IMAGE.format(_file_name(parse.unquote(path))))

  def handle_endtag(self, tag):
    self._hidden -= tag in ('script', 'style')

  def handle_data(self, data):
    if not self._hidden:
      self._found.append(_without_spaces(data))


def _without_spaces(text: str) -> str:
  return re.sub(r'\s+', '', text)


def _file_name(path: str) -> str:
  return path.rsplit('/', 1)[-1]


def _patterns(part: str | Media) -> Iterator[tuple[str, str, re.Pattern]]:
  """What it is, how it is told, how it is found."""
  if isinstance(part, Media):
    name = _file_name(part.path)
    yield 'images', name, re.compile(re.escape(_IMAGE.format(name)))
    return
  for line in part.split('\n'):
    letters = _without_spaces(line)[:_LETTERS]
    if letters:
      # Images that were left out may stand between the letters.
      pattern = _ANY_IMAGES.join(map(re.escape, letters))
      yield 'lines', line[:_LETTERS], re.compile(pattern)


def main() -> int:
  """Runs the program."""
  parser = argparse.ArgumentParser()
  parser.add_argument('directory', metavar='DIR')
  documents = RecordDocuments(parser.parse_args().directory)
  found = {'documents': len(documents), 'lines': 0, 'images': 0}
  elsewhere = []
  for document in (documents[i] for i in range(len(documents))):
    # 'DIR/NAME-00000-of-00001.tfrecord, document 0 (PAGE)'
    page = pathlib.Path(document.source.split(' (', 1)[1][:-1])
    flat, place = _Page(page.read_text('utf-8', 'replace')).flat, 0
    for part in document.parts:
      for kind, told, pattern in _patterns(part):
        found[kind] += 1
        if match := pattern.search(flat, place):
          place = match.end()
        else:
          elsewhere.append(f'{page}: {told}')
  print(json.dumps({**found, 'not_behind_the_one_before': len(elsewhere)}))
  print(*elsewhere[:10], sep='\n', end='\n' if elsewhere else '')
  return bool(elsewhere)


if __name__ == '__main__':
  sys.exit(status_of(main))

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Pages of folders, WARC files and JSONL files, as text."""

from collections.abc import Iterator, Sequence
import os
import urllib.parse

from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.pages import warc
from flamingo_jax.prepare.pages.page import LONGEST, Page
from flamingo_jax.prepare.source import (
    Dropped, Item, Unit, find_files, group, has_ending, read_bytes,
)

HTML_ENDINGS = ('.html', '.htm', '.xhtml')
WARC_ENDINGS = ('.warc', '.warc.gz')
_PER_UNIT = 64  # pages of a folder


def page_units(paths: Sequence[str]) -> list[Unit]:
  """Groups of pages of folders, WARC files, pieces of JSONL files.

  Raises:
    UserError: a path is wrong, or a folder holds none of these.
  """
  units = []
  for path in map(os.path.abspath, paths):
    files = find_files(
        [path], HTML_ENDINGS + WARC_ENDINGS + json_values.ENDINGS
    )
    pages = [f for f in files if has_ending(f, HTML_ENDINGS)]
    lines = [f for f in files if has_ending(f, json_values.ENDINGS)]
    root = path if os.path.isdir(path) else os.path.dirname(path)
    names = [os.path.relpath(page, root) for page in pages]
    units += [Unit(root, members=m) for m in group(names, _PER_UNIT)]
    units += [Unit(f) for f in files if has_ending(f, WARC_ENDINGS)]
    for file in lines:
      units += json_values.line_units(file)
  return units


def read_pages(unit: Unit) -> Iterator[Item | Dropped]:
  """The pages of a unit; values are `Page`s or lines of JSON."""
  if unit.members:
    for name in unit.members:
      path = os.path.join(unit.path, name)
      try:
        data = read_bytes(path, LONGEST)
      except Dropped as dropped:
        yield dropped
        continue
      url = 'file:///' + urllib.parse.quote(os.fsencode(name))
      yield Item(path, Page(url, data, root=unit.path))
  elif has_ending(unit.path, WARC_ENDINGS):
    yield from warc.read(unit.path)
  else:
    yield from json_values.read_lines(unit)


def page_of(item: Item) -> Page:
  """The page of an item.

  Raises:
    Dropped: it is a line without one.
  """
  if isinstance(item.value, Page):
    return item.value
  value = json_values.parse(item.value)
  html, url = value.get('html'), json_values.text_of(value, 'url')
  if not isinstance(html, str):
    raise Dropped('line has no "html"', ', '.join(value)[:200])
  if len(html) > LONGEST:
    raise Dropped('page is too long', f'{len(html):,} characters')
  return Page(url, html.encode('utf-8', 'replace'), 'utf-8')

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Web pages: documents of text and images in DOM order (Flamingo A.3.1)."""

from collections.abc import Iterator
import dataclasses
import functools
import os
import urllib.parse

from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import thresholds
from flamingo_jax.prepare.fetched import FetchedImages
from flamingo_jax.prepare.pages import dom
from flamingo_jax.prepare.pages import filters
from flamingo_jax.prepare.pages import parsing
from flamingo_jax.prepare.pages import reading
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitted, Fitter, Item, Source, Unit, path_inside,
)


@dataclasses.dataclass(frozen=True)
class Html(Source):
  """Pages of folders, WARC files or JSONL files with "url" and "html"."""

  # Files or folders of them. Images beside the pages of a folder are found
  # there.
  paths: tuple[str, ...]
  # That were fetched; None if all are beside the pages.
  images: FetchedImages | None = None
  filters: str = 'm3w'  # 'm3w' or 'obelics' (`pages.filters`)
  # Of the pages, '' for any. Pages that say another are dropped.
  language: str = 'en'
  # More thresholds, such as 'my.module:english>=0.8'.
  scorers: tuple[str, ...] = ()

  def units(self) -> list[Unit]:
    if self.filters not in filters.PAGES:
      raise UserError(
          f'filters are {" or ".join(filters.PAGES)}, not {self.filters!r}'
      )
    for text in self.scorers:
      thresholds.scorer(text)
    return reading.page_units(self.paths)

  def read(self, unit: Unit) -> Iterator[Item | Dropped]:
    return reading.read_pages(unit)

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    page = reading.page_of(item)
    nodes = self._nodes(page)
    losses, kept, seen = [], [], set()
    for node in nodes:
      try:
        if isinstance(node, dom.Text):
          self._check_block(node)
          kept.append(node)
        elif not node.urls:
          raise Dropped('image has no address', page.url)
        else:
          if not seen.isdisjoint(node.urls):
            raise Dropped('image occurs again on its page', node.urls[0])
          seen.update(node.urls)
          kept.append(self._fit(page, node, fitter))
      except Dropped as loss:
        losses.append(loss)
    images = [node for node in kept if isinstance(node, Fitted)]
    if not images:
      reasons = ', '.join(sorted({loss.reason for loss in losses}))
      raise Dropped('page has no image left', reasons[:200])
    if len(images) > filters.MOST_IMAGES[self.filters]:
      raise Dropped('page has too many images', str(len(images)))
    parts = join(kept)
    text = '\n\n'.join(part for part in parts if isinstance(part, str))
    for threshold in _page_thresholds(
        self.filters, self.language, self.scorers
    ):
      threshold.check(text)
    url = '' if page.root else page.url
    return Converted.of(parts, item.place, losses, url)

  def urls(self, item: Item) -> list[str]:
    """The images that a downloader has to fetch: the best of each."""
    nodes = self._nodes(reading.page_of(item))
    urls = [
        node.urls[0] for node in nodes
        if isinstance(node, dom.Image) and node.urls
    ]
    return [url for url in urls if not url.startswith('file:')]

  def _nodes(self, page: reading.Page) -> list[dom.Text | dom.Image]:
    html = page.text()
    said = parsing.language(html)
    if self.language and said and said != self.language:
      raise Dropped('page is in another language', said)
    return dom.read_page(html, page.url)

  def _check_block(self, block: dom.Text) -> None:
    filters.check_links(block.linked)
    for threshold in filters.for_language(
        filters.BLOCKS[self.filters], self.language
    ):
      threshold.check(block.text)

  def _fit(
      self, page: reading.Page, image: dom.Image, fitter: Fitter
  ) -> Fitted:
    """The first of an image's candidates that is there and good enough."""
    wanted = filters.IMAGES[self.filters]
    for side in (image.width, image.height):
      if side is not None and side < wanted[0].low:
        raise Dropped('image is shown too small', image.urls[0])
    loss = None
    for url in image.urls:
      try:
        fitted = fitter.fit(self._load(page, url))
        for threshold in wanted:
          threshold.check(fitted)
        return fitted
      except Dropped as dropped:
        loss = loss or Dropped(
            dropped.reason, dropped.detail or url[:200]
        )
    raise loss

  def _load(self, page: reading.Page, url: str) -> Media:
    if url.startswith('file:'):
      path = urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(url).path)
      name = os.fsdecode(path).lstrip('/')
      if '\0' in name:
        raise Dropped('image cannot be read', url)
      return Media('image', path_inside(page.root, name))
    return (self.images or FetchedImages('')).image(url)


@functools.cache
def _page_thresholds(
    name: str, language: str, scorers: tuple[str, ...]
) -> tuple[filters.Threshold, ...]:
  return (
      *filters.for_language(filters.PAGES[name], language),
      *map(thresholds.scorer, scorers),
  )


def join(nodes: list[dom.Text | Fitted]) -> list[str | Fitted]:
  """Parts of a document: blocks without an image between them are one text."""
  parts = []
  for node in nodes:
    if isinstance(node, Fitted):
      parts.append(node)
    elif parts and isinstance(parts[-1], str):
      parts[-1] += node.gap + node.text
    else:
      parts.append(node.text)
  return parts

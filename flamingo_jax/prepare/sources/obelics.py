# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""OBELICS: Parquet of texts and URLs of images, in reading order."""

from collections.abc import Iterator
import dataclasses
import json
from typing import Any

from flamingo_jax.errors import shown
from flamingo_jax.prepare import fetched
from flamingo_jax.prepare import tables
from flamingo_jax.prepare.source import (
    Converted, Dropped, Fitter, Item, Source, Unit, close_gaps, find_files,
)

_COLUMNS = ('images', 'texts')


@dataclasses.dataclass(frozen=True)
class Obelics(Source):
  """Pages whose images img2dataset has fetched.

  An image that is missing is left out of its page; a page needs one.
  """

  paths: tuple[str, ...]  # Parquet files, or folders of them
  # That were fetched; only `urls` does without.
  images: fetched.FetchedImages = fetched.FetchedImages('')

  def units(self) -> list[Unit]:
    files = find_files(self.paths, tables.ENDINGS)
    return tables.row_units(files, _COLUMNS, 'name files of OBELICS')

  def read(self, unit: Unit) -> Iterator[Item]:
    return tables.read_rows(unit, (*_COLUMNS, 'general_metadata'))

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    parts, losses = [], []
    for url, text in _page(item.value):
      if text is not None:
        # Texts without an image between are paragraphs too.
        parts += [None, text] if text.strip() else [None]
        continue
      try:
        if not url:
          raise Dropped('image has no address')
        parts.append(fitter.fit(self.images.image(url)))
      except Dropped as loss:
        losses.append(loss)
    parts = close_gaps(parts)
    if all(isinstance(part, str) for part in parts):
      raise Dropped('no image is left', ', '.join(d.reason for d in losses))
    if not any(isinstance(part, str) for part in parts):
      raise Dropped('no text', '')
    return Converted.of(
        parts, item.place, losses, _address(item.value.get('general_metadata'))
    )

  def urls(self, item: Item) -> list[str]:
    """The images that a downloader has to fetch."""
    return [url for url, _ in _page(item.value) if url]


def _page(row: dict[str, Any]) -> list[tuple[str | None, str | None]]:
  """URL or text of each part of a page, in reading order.

  An image and a text in one place are both parts, in this order; an empty
  address beside a text is none.

  Raises:
    Dropped: the row has other types, or parts with neither.
  """
  try:
    page = list(zip(row['images'], row['texts'], strict=True))
  except (TypeError, ValueError) as error:
    raise Dropped('row is not a page of OBELICS', repr(error)) from None
  parts = []
  for url, text in page:
    has_url, has_text = isinstance(url, str), isinstance(text, str)
    if not (has_url or url is None) or not (has_text or text is None) or not (
        has_url or has_text
    ):
      raise Dropped('row is not a page of OBELICS', shown((url, text), 200))
    if url or not has_text:
      parts.append((url, None))
    if text or not url and has_text:
      parts.append((None, text))
  return parts


def _address(metadata: str | None) -> str:
  try:
    return str(json.loads(metadata or '{}').get('url', ''))
  except (ValueError, TypeError, AttributeError, RecursionError):
    return ''

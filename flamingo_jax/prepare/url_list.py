# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The images that a downloader has to fetch; nothing here fetches."""

from collections.abc import Iterator
import os
import pathlib
from typing import Any


from flamingo_jax import progress
from flamingo_jax.data import data_uri
from flamingo_jax.errors import UserError
from flamingo_jax.prepare import conversion
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import web_urls
from flamingo_jax.prepare.source import Dropped, Item, names_of


def write(source: Any, path: str | os.PathLike) -> tuple[int, spool.Tally]:
  """Writes each URL once, one per line, in the order of the input.

  The source, html, obelics or mmc4, has a method `urls(item)`; img2dataset
  reads the list with --input_format=txt.

  Returns:
    How many there are, and what of the input could not be used.

  Raises:
    UserError: there is none, or the file cannot be written.
  """
  drops = spool.Tally()
  urls = dict.fromkeys(_urls(source, drops))
  if not urls:
    told = f' ({drops.told()})' if drops else ''
    raise UserError(
        f'{names_of(source.paths)} names no image on the web{told}; name files '
        'of this format, or leave out --list_urls if the images are there '
        'already'
    )
  try:
    spool.write_atomically(
        pathlib.Path(path), ''.join(f'{url}\n' for url in urls)
    )
  except OSError as error:
    raise UserError(
        f'{os.fspath(path)} cannot be written ({error.strerror}); name a file '
        'in a folder that exists'
    ) from None
  return len(urls), drops


def _urls(source: Any, drops: spool.Tally) -> Iterator[str]:
  """The URLs of all items; what gives none is added to `drops`."""
  for unit in progress.each(source.units(), 'listing URLs', 'pieces'):
    for item in conversion.read(source, unit):
      if isinstance(item, Item):
        yield from _urls_of(source, item, drops)
      else:
        drops.add(item.reason, f'{unit.path}: {item.detail}')


def _urls_of(source: Any, item: Item, drops: spool.Tally) -> list[str]:
  found = []
  try:
    for url in source.urls(item):
      if data_uri.is_data_uri(url):
        continue  # the image is there already
      if asked := web_urls.requested(url):
        found.append(asked)
      else:
        drops.add('URL cannot be requested', f'{item.place}: {url}'[:200])
  except Dropped as dropped:
    drops.add(dropped.reason, f'{item.place}: {dropped.detail}')
  except Exception as error:  # what is in a crawl is beyond imagination
    drops.add('item cannot be understood', f'{item.place}: {error!r}')
  return found

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The images that a downloader has to fetch; nothing here fetches."""

from collections.abc import Iterator
import os
import pathlib
from typing import Any

import tqdm

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import spool
from flamingo_jax.prepare.source import Dropped, Item


def write(source: Any, path: str | os.PathLike) -> int:
  """Writes each URL once, one per line, in the order of the input.

  Args:
    source: with a method `urls(item)`: html, obelics or mmc4.
    path: of the list; img2dataset reads it with --input_format=txt.

  Returns:
    How many there are.

  Raises:
    UserError: there is none, or the file cannot be written.
  """
  urls = dict.fromkeys(_urls(source))
  if not urls:
    raise UserError(
        f'{", ".join(source.paths)} names no image on the web; its images are '
        'in the folder already, or it is of another format'
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
  return len(urls)


def _urls(source: Any) -> Iterator[str]:
  for unit in tqdm.tqdm(source.units(), unit=' pieces', disable=None):
    for item in source.read(unit):
      if not isinstance(item, Item):
        continue
      try:
        yield from (u for u in source.urls(item) if not set(u) & set('\r\n'))
      except (Dropped, KeyError, TypeError):
        continue  # `flamingo prepare` counts it when it makes documents

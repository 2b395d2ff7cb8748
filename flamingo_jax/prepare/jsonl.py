# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""From a JSONL file and the files it names to shards that hold them all."""

from collections.abc import Iterator
import os
from typing import Any

import tqdm

from flamingo_jax.data import documents
from flamingo_jax.data import records


def write(
    path: str | os.PathLike,
    directory: str | os.PathLike,
    shards: int | None = None,
    media: bool = True,
) -> dict[str, Any]:
  """Checks every document of a JSONL file and writes it into shards.

  Media keep their bytes. See `records.write_shards`; documents have media, or
  else are all of text alone.

  Returns:
    What manifest.json says.

  Raises:
    UserError: a line has a problem, or the folder cannot be written; nothing
      is left.
  """
  count = documents.count(path)
  if not count:  # unreadable or blank
    next(documents.scan(path)).checked(path)
  found = _checked(path, count, media)
  return records.write_shards(found, count, directory, shards)


def _checked(
    path: str | os.PathLike, count: int, media: bool
) -> Iterator[documents.Document]:
  """The documents in order, with a progress bar on terminals.

  All media are decoded: training would stop at a broken one, much later.
  """
  lines = documents.scan(path, media=media)
  for line in tqdm.tqdm(lines, total=count, unit=' documents', disable=None):
    yield line.checked(
        path,
        f' (`flamingo check {os.fspath(path)}` lists all problems; nothing was'
        ' written)',
    )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a folder that `flamingo prepare` has made as a sceptic would."""

import collections
from collections.abc import Iterator
import dataclasses
import hashlib
import os
import pathlib
from typing import Any

from flamingo_jax import opening
from flamingo_jax.data import records
from flamingo_jax.data.documents import Document, Line, Media, media_problem
from flamingo_jax.errors import UserError


def scan(directory: str | os.PathLike) -> Iterator[Line]:
  """Checks the files against the manifest, then every document.

  Yields:
    A line for each problem of the folder, numbered 0, and one for each
    document, numbered from 1, with it or with its problems.
  """
  directory = pathlib.Path(directory)
  try:
    manifest = records.read_manifest(directory)
    yield from _check_files(directory, manifest)
    found = records.RecordDocuments(directory)
  except UserError as error:
    yield Line(0, None, (str(error),))
    return
  counts = collections.Counter()
  told = {'image': manifest['images'], 'video': manifest['videos'],
          'features': manifest.get('features', 0)}
  has_media = any(told.values())  # else `--text`
  for index in range(len(found)):
    line = _check_document(found, index, has_media)
    if line.document is not None:
      counts.update(
          p.kind for p in line.document.parts if isinstance(p, Media)
      )
    yield line
  for kind, count in told.items():
    if counts[kind] != count:
      kinds = kind if kind == 'features' else f'{kind}s'
      yield Line(0, None, (
          f'the documents that can be read have {counts[kind]:,} {kinds}, and '
          f'manifest.json says {count:,}; make the folder again',
      ))


def _check_files(
    directory: pathlib.Path, manifest: dict[str, Any]
) -> Iterator[Line]:
  """Every byte of every file."""
  for entry in [*manifest['shards'], manifest['index']]:
    path = directory / entry['file']
    try:
      with opening.open_file(path) as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    except OSError as error:
      problem = f'{path.name} cannot be read ({error.strerror})'
    else:
      if digest == entry['sha256']:
        continue
      problem = f'{path.name} has another SHA-256 than manifest.json says'
    yield Line(0, None, (f'{problem}; copy it again',))


def _check_document(
    found: records.RecordDocuments, index: int, needs_media: bool
) -> Line:
  try:
    document = dataclasses.replace(found[index], example_id=index + 1)
  except UserError as error:
    return Line(index + 1, None, (str(error),))
  problems = tuple(_problems(document, needs_media))
  return Line(index + 1, None if problems else document, problems)


def _problems(document: Document, needs_media: bool) -> Iterator[str]:
  texts = [part for part in document.parts if isinstance(part, str)]
  if not any(text.strip() for text in texts):
    yield 'has no text to learn from; leave it out'
  if needs_media and len(texts) == len(document.parts):
    yield 'has no image or video; leave it out'
  for part in document.parts:
    if isinstance(part, Media):
      problem = media_problem(part, decode=True, to_end=True)
      if problem:
        yield problem

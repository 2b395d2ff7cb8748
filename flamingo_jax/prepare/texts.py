# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The texts of data sets, which a vocabulary is learnt from."""

from collections.abc import Iterable, Iterator, Sequence
import os

from flamingo_jax.data import documents
from flamingo_jax.errors import UserError

# Characters, at most four bytes each: SentencePiece passes over a text of more
# than 4192 bytes.
_AT_ONCE = 1000


def texts(paths: Iterable[str]) -> Iterator[str]:
  """The lines of all texts, long ones in pieces.

  Paths are JSONL files, whose media are not looked at, and folders that
  `flamingo prepare` has made.

  Raises:
    UserError: a path is neither, or a line is no document.
  """
  for path in paths:
    found = _of_folder(path) if os.path.isdir(path) else _of_file(path)
    for parts in found:
      for part in parts:
        if isinstance(part, str):
          yield from _pieces(part)


def _of_folder(path: str) -> Iterator[Sequence[str | documents.Media]]:
  from flamingo_jax.data import records  # TensorFlow

  found = records.RecordDocuments(path)
  for index in range(len(found)):
    yield found[index].parts


def _of_file(path: str) -> Iterator[Sequence[str | documents.Media]]:
  try:
    for _, number, line in documents.lines(path):
      parsed = documents.parse_line(line, os.path.dirname(path))
      if not parsed.parts:
        raise UserError(f'{path}:{number}: {parsed.problems[0]}')
      yield parsed.parts
  except OSError as error:
    raise UserError(
        f'{path} cannot be read ({error.strerror}); name a JSONL file, or a '
        'folder that `flamingo prepare` wrote'
    ) from None


def _pieces(text: str) -> Iterator[str]:
  for line in text.splitlines():
    for begin in range(0, len(line), _AT_ONCE):
      yield line[begin : begin + _AT_ONCE]

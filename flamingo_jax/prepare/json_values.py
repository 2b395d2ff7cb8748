# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of JSONL files, also compressed, and of JSON arrays, in pieces."""

from collections.abc import Iterator
import gzip
import io
import mmap
import posixpath
import re
from typing import Any
import zipfile

from flamingo_jax import opening
from flamingo_jax.data import json_objects
from flamingo_jax.errors import UserError, shown
from flamingo_jax.prepare.source import Dropped, Item, Unit, has_ending

ENDINGS = ('.jsonl', '.jsonl.gz', '.jsonl.zip', '.ndjson')
_PER_UNIT = 1000  # lines
_OBJECTS = 64  # of an array, in a unit
_LONGEST = 2**26  # bytes of a line
_TAIL = 1000  # bytes among which an array ends
_COMPRESSED = ('.gz', '.zip')
# Strings are taken whole: brackets in them close nothing.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)


def line_units(path: str) -> Iterator[Unit]:
  """Pieces of about a thousand lines; compressed files are not cut.

  Raises:
    UserError: the file cannot be read.
  """
  if has_ending(path, _COMPRESSED):
    yield Unit(path, end=-1, first=1)
    return
  try:
    with opening.open_file(path) as file:
      begin = end = 0
      first = number = 1
      for line in file:
        end, number = end + len(line), number + 1
        if number - first == _PER_UNIT:
          yield Unit(path, begin, end, first)
          begin, first = end, number
      if end > begin:
        yield Unit(path, begin, end, first)
  except OSError as error:
    raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> UserError:
  return UserError(
      f'{path} cannot be read ({error.strerror}); correct the path or its '
      'permissions'
  )


def read_lines(unit: Unit) -> Iterator[Item | Dropped]:
  """The lines of a unit that are not blank, as bytes.

  Raises:
    Dropped: a .zip holds nothing.
    Exception: what is compressed is damaged.
  """
  for name, file in _open(unit.path):
    if unit.begin:
      file.seek(unit.begin)
    place, number = unit.begin, unit.first
    while unit.end < 0 or place < unit.end:
      line = file.readline(_LONGEST)
      if not line:
        break
      if len(line) == _LONGEST and not line.endswith(b'\n'):
        yield Dropped('line is too long', f'{name}:{number}')
        while line and not line.endswith(b'\n'):
          place += len(line)
          line = file.readline(_LONGEST)
      elif line.strip():
        yield Item(f'{name}:{number}', line)
      place, number = place + len(line), number + 1


def _open(path: str) -> Iterator[tuple[str, io.BufferedIOBase]]:
  """The file, or those in an archive, one after the other, with their names."""
  if not has_ending(path, '.zip'):
    with gzip.open(path) if has_ending(path, '.gz') else open(path, 'rb') as f:
      yield path, f
    return
  with zipfile.ZipFile(path) as archive:
    members = [
        name for name in archive.namelist()
        # What file systems add (.DS_Store, __MACOSX/._0.jsonl) has no lines.
        if (base := posixpath.basename(name)) and base[0] != '.'
    ]
    if not members:
      raise Dropped('archive holds no file', path)
    for member in members:  # read as they stand there: nothing is extracted
      with io.BufferedReader(archive.open(member)) as file:
        yield path if len(members) == 1 else f'{path}, {member}', file


def array_units(path: str) -> Iterator[Unit]:
  """Pieces of the objects in a file that is one JSON array.

  Raises:
    UserError: the file cannot be read.
  """
  try:
    with opening.open_file(path) as file:
      data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
  except ValueError:  # an empty file
    yield Unit(path, end=-1)
    return
  except OSError as error:
    raise _unreadable(path, error) from None
  with data:
    begin = end = first = number = 0
    is_array = data[:_TAIL].lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'[')
    for start, end in _objects(data) if is_array else ():
      if number % _OBJECTS == 0:
        if number:
          yield Unit(path, begin, start, first)
        begin, first = start, number
      number += 1
    if number:
      yield Unit(path, begin, end, first)
    if not number or not data[-_TAIL:].rstrip().endswith(b']'):
      yield Unit(path, end=-1)


def read_array(unit: Unit) -> Iterator[Item | Dropped]:
  """The objects of a unit, as bytes."""
  if unit.end < 0:
    yield Dropped(
        'file is not a whole JSON array',
        f'{unit.path} (objects of one line each are a .jsonl)',
    )
    return
  with open(unit.path, 'rb') as file:
    file.seek(unit.begin)
    data = file.read(unit.end - unit.begin)
  objects = enumerate(_objects(data, depth=1), unit.first)
  for number, (begin, end) in objects:
    yield Item(f'{unit.path}, object {number}', data[begin:end])


def _objects(
    data: bytes | mmap.mmap, depth: int = 0
) -> Iterator[tuple[int, int]]:
  """Where the objects begin and end that are elements of the outer array."""
  start = 0
  for match in _TOKEN.finditer(data):
    token = match[0]
    if token in (b'{', b'['):
      if depth == 1:
        start = match.start()
      depth += 1
    elif token in (b'}', b']'):
      depth -= 1
      if depth == 1:
        yield start, match.end()


def parse(text: bytes, numbers_as_written: bool = False) -> dict[str, Any]:
  """The object that a text is.

  Raises:
    Dropped: it is none.
  """
  try:
    value = json_objects.parse(text, numbers_as_written)
  except ValueError as error:
    raise Dropped('not JSON', str(error)) from None
  if not isinstance(value, dict):
    raise Dropped('not an object', shown(value))
  return value


def text_of(value: dict[str, Any], key: str) -> str:
  """A text or number of an object, stripped; '' if it has none."""
  return (json_objects.text_of(value.get(key)) or '').strip()

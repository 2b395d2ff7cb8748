# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of tar files as WebDataset defines them. Nothing is ever extracted.

Members that follow each other and have one path up to the first dot of its last
part are a sample; what follows the dot names the field. Names that begin with a
dot (.DS_Store, ._0001.jpg) are of file systems and of no sample.
"""

from collections.abc import Iterator
import os
import tarfile
from typing import Any

from flamingo_jax.prepare import json_values
from flamingo_jax.prepare.source import Dropped, Item

ENDINGS = ('.tar', '.tar.gz', '.tgz')
_LARGEST = 2**30  # bytes of a member
_SAMPLE = 2**31  # bytes of all members of a sample
_TEXT = 2**24  # bytes of JSON that is parsed
_ZEROS = bytes(2**20)


class Header(tarfile.TarInfo):
  """The header of a member; tarfile takes what is none for the file's end."""

  @classmethod
  def frombuf(cls, buf: bytes, encoding: str, errors: str) -> 'Header':
    """See `tarfile.TarInfo`.

    Raises:
      tarfile.ReadError: the file is cut short or damaged here.
    """
    try:
      return super().frombuf(buf, encoding, errors)
    except tarfile.EOFHeaderError:  # the zeros with which a tar file ends
      raise
    except tarfile.HeaderError as error:
      raise tarfile.ReadError(str(error)) from None


def read_samples(path: str) -> Iterator[Item | Dropped]:
  """The samples of a tar file; values are {field: bytes}.

  A sample in which a field comes twice is dropped: which one belongs to the
  others is not known.

  Raises:
    Exception: the file is damaged; what came before is good, and of the last
      sample it is not known whether it is whole, so it is not among it.
  """
  # Not 'r|*', which reads to skip, also beyond the end of the file: for a minute
  # where a damaged header claims a terabyte.
  with tarfile.open(path, 'r:*', tarinfo=Header) as first:
    for archive in archives(first):
      yield from _samples(archive, path)


def archives(archive: tarfile.TarFile) -> Iterator[tarfile.TarFile]:
  """A tar file and those that were appended to it, as `cat` does.

  Each is read to its end before the next is asked for.

  Raises:
    tarfile.ReadError: what follows an end is no tar.
  """
  while True:
    yield archive
    file, end = archive.fileobj, archive.offset
    file.seek(end)
    while (data := file.read(len(_ZEROS))) == _ZEROS:  # with which it ends
      end += len(data)
    rest = data.lstrip(b'\0')
    if not rest:
      return
    end += len(data) - len(rest)
    file.seek(end - (end - archive.offset) % tarfile.BLOCKSIZE)
    archive = tarfile.open(fileobj=file, mode='r:', tarinfo=Header)


def _samples(archive: tarfile.TarFile, path: str) -> Iterator[Item | Dropped]:
  key, fields, size, is_dropped = '', {}, 0, False
  for member in archive:
    archive.members.clear()  # else it keeps a list of what it has seen
    if member.isdir() or os.path.basename(member.name).startswith('.'):
      continue
    if not member.isfile():
      yield Dropped(
          'member of a tar is a link or no file', f'{path}:{member.name}'
      )
      continue
    found, field = split_name(member.name)
    if not field:
      yield Dropped('member of a tar has no ending', f'{path}:{member.name}')
      continue
    if found != key:
      if fields:
        yield Item(f'{path}:{key}', fields)
      key, fields, size, is_dropped = found, {}, 0, False
    if is_dropped:
      continue
    size += member.size
    reason = ''
    if member.size > _LARGEST or size > _SAMPLE or member.issparse():
      reason = 'member of a tar is too large'
    elif field in fields:
      reason = 'field of a sample comes twice'
    if reason:
      yield Dropped(reason, f'{path}:{member.name}')
      fields, is_dropped = {}, True
      continue
    fields[field] = archive.extractfile(member).read()
  if fields:
    yield Item(f'{path}:{key}', fields)


def split_name(name: str) -> tuple[str, str]:
  """('a/b', 'seg.png') of 'a/b.seg.png'."""
  folder, base = os.path.split(name)
  stem, _, field = base.partition('.')
  return os.path.join(folder, stem), field.lower()


def caption(fields: dict[str, bytes], key: str) -> str:
  """The field 'txt' of a sample, or what its JSON has at a key; '' if neither.

  Raises:
    Dropped: the text is not UTF-8, or the JSON no object.
  """
  return text_field(fields) or json_values.text_of(json_field(fields), key)


def json_field(fields: dict[str, Any]) -> dict[str, Any]:
  """What the field 'json' of a sample holds, {} if it has none.

  Raises:
    Dropped: it is no object.
  """
  if 'json' not in fields:
    return {}
  if len(fields['json']) > _TEXT:
    raise Dropped('JSON is too long', f'{len(fields["json"]):,} bytes')
  return json_values.parse(fields['json'], numbers_as_written=True)


def text_field(fields: dict[str, Any]) -> str:
  """What the field 'txt' of a sample holds, '' if it has none.

  Raises:
    Dropped: it is not UTF-8.
  """
  data = fields.get('txt', b'')
  if len(data) > _TEXT:
    raise Dropped('text is too long', f'{len(data):,} bytes')
  try:
    return data.decode('utf-8-sig').strip()
  except UnicodeDecodeError as error:
    raise Dropped('text is not UTF-8', str(error)[:200]) from None

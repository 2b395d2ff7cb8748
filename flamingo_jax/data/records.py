# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Documents in TFRecord shards, media included, read by index.

A folder FOLDER of documents in order holds
  FOLDER-00000-of-00004.tfrecord ...  the shards, neighbours side by side
  index.npy                           for each document: where, how long, CRC-32
  manifest.json                       counts; bytes and SHA-256 of each file
A record is a tf.train.Example of four lists of bytes:
  kind    'text', 'image', 'video' or 'features' of each part, in reading order
  value   a text in UTF-8, or a file as it was encoded
  name    what messages call a medium; '' for a text
  source  one: where the document came from
"""

from collections.abc import Iterable
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import struct
from typing import Any, get_args
import zlib

from etils import epath
from google.protobuf import message
import numpy as np
import tensorflow as tf

from flamingo_jax import opening
from flamingo_jax.data import buckets
from flamingo_jax.data import media as media_reader
from flamingo_jax.data.documents import Document, Media
from flamingo_jax.data.media import Kind
from flamingo_jax.errors import UserError

_FORMAT = 1
MANIFEST, _INDEX = 'manifest.json', 'index.npy'
PER_SHARD = 10_000  # documents, by default
_ENTRY = np.dtype([('offset', '<u8'), ('length', '<u4'), ('crc32', '<u4')])
# A record: length u64, CRC u32 of these, the Example, CRC u32 of it.
_HEADER, _FOOTER = 12, 4
_LARGEST = 2**31 - 2**20  # bytes that a protocol buffer can hold, and some room


def shard_name(name: str, shard: int, shards: int) -> str:
  """'train-00000-of-00004.tfrecord'."""
  return f'{name}-{shard:05}-of-{shards:05}.tfrecord'


def shard_range(count: int, shard: int, shards: int) -> tuple[int, int]:
  """Where the documents of a shard begin and end, of `count` in order."""
  return count * shard // shards, count * (shard + 1) // shards


@dataclasses.dataclass(frozen=True)
class Shard:
  """A file that has been written."""

  # Its file, documents, bytes and sha256, for the manifest.
  entry: dict[str, Any]
  index: np.ndarray  # of each document where it is
  kinds: dict[str, int]  # how many texts, images, videos and features


def write_shard(documents: Iterable[Document], path: pathlib.Path) -> Shard:
  """Writes one file of documents.

  Raises:
    UserError: a document cannot be read or is too large for a record.
    tf.errors.OpError: the file cannot be written.
  """
  kinds = dict.fromkeys(('text', *get_args(Kind)), 0)
  index, offset = [], 0
  with tf.io.TFRecordWriter(os.fspath(path)) as writer:
    for document in documents:
      record = _encode(document, kinds)
      writer.write(record)
      index.append((offset + _HEADER, len(record), zlib.crc32(record)))
      offset += _HEADER + len(record) + _FOOTER
  entry = {'documents': len(index), **_describe(path)}
  return Shard(entry, np.array(index, _ENTRY), kinds)


def write_manifest(
    folder: pathlib.Path, shards: list[Shard], facts: dict[str, Any]
) -> dict[str, Any]:
  """Makes shards that lie in a folder one data set; returns the manifest.

  It says `facts` too, such as where the documents are from.
  """
  np.save(folder / _INDEX, np.concatenate([shard.index for shard in shards]))
  manifest = {
      'format': _FORMAT,
      'documents': sum(shard.entry['documents'] for shard in shards),
      'images': sum(shard.kinds['image'] for shard in shards),
      'videos': sum(shard.kinds['video'] for shard in shards),
      'features': sum(shard.kinds['features'] for shard in shards),
      **facts,
      'shards': [shard.entry for shard in shards],
      'index': _describe(folder / _INDEX),
  }
  draft = folder / f'{MANIFEST}.draft'
  draft.write_text(json.dumps(manifest, indent=1) + '\n', encoding='utf-8')
  os.replace(draft, folder / MANIFEST)
  return manifest


def _describe(path: pathlib.Path) -> dict[str, Any]:
  with open(path, 'rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return {'file': path.name, 'bytes': path.stat().st_size, 'sha256': digest}


def _encode(document: Document, kinds: dict[str, int]) -> bytes:
  """The record of a document, whose parts are added to the counts."""
  rows = []
  for part in document.parts:
    if isinstance(part, str):
      rows.append(('text', part.encode(), ''))
    else:
      rows.append((part.kind, _encoded_file(part, document.source), part.path))
    kinds[rows[-1][0]] += 1
  size = sum(len(value) for _, value, _ in rows)
  if size > _LARGEST:
    raise UserError(
        f'{document.source} has {size:,} bytes of media, more than the '
        f'{_LARGEST:,} of a record; shorten its videos or split the document'
    )
  kind, value, name = zip(*rows)
  lists = {
      'kind': [k.encode() for k in kind],
      'value': value,
      # The name of a file may be any bytes.
      'name': [os.fsencode(n) for n in name],
      'source': [os.fsencode(document.source)],
  }
  example = tf.train.Example(features=tf.train.Features(feature={
      key: tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
      for key, values in lists.items()
  }))
  # Else the order of the lists is that of a hash with a seed of the process.
  return example.SerializeToString(deterministic=True)


def _encoded_file(medium: Media, source: str) -> bytes:
  if isinstance(medium.data, np.ndarray):
    raise UserError(
        f'{source}: {medium.path} is an array, and shards hold encoded files; '
        'save it as PNG, MP4 or .npy'
    )
  try:
    return media_reader.read_file(medium)
  except UserError as error:
    raise UserError(f'{source}: {error}') from None


class RecordDocuments:
  """The documents of a folder of shards, by index from 0.

  Opening reads the manifest and looks at the sizes of the files; the index is
  mapped into memory. Every record is checked when it is read, and nothing else
  of its file is. No file stays open, so that threads and forked processes may
  read at will. In a bucket (gs://...) a record is a request, sizes are not looked
  at, and the index, 16 bytes for each document, is fetched.

  Raises:
    UserError: a file is missing or damaged, or is not what the manifest says.
  """

  def __init__(self, directory: str | os.PathLike):
    self.directory = buckets.as_folder(directory)
    manifest = read_manifest(self.directory)
    if not buckets.is_address(self.directory):
      for entry in [*manifest['shards'], manifest['index']]:
        _check_size(self.directory / entry['file'], entry['bytes'])
    self._files = [self.directory / s['file'] for s in manifest['shards']]
    self._ends = np.cumsum([shard['documents'] for shard in manifest['shards']])
    self._index = _read_index(self.directory / _INDEX, manifest['documents'])

  @property
  def file_count(self) -> int:
    """How many shards there are."""
    return len(self._files)

  def __len__(self) -> int:
    return len(self._index)

  def __getitem__(self, index: int) -> Document:
    if not 0 <= index < len(self):
      raise IndexError(f'{self.directory} has no document {index}')
    path = self._files[np.searchsorted(self._ends, index, side='right')]
    record = _read_record(path, *self._index[index].tolist())
    try:
      parts, source = _decode(record)
    except (message.DecodeError, LookupError, ValueError) as error:
      raise _damaged(
          path, f'has a document {index} of another program ({error})'
      ) from None
    return Document(parts, f'{path}, document {index} ({source})', index)


def exists(directory: epath.Path) -> bool:
  """Whether there is such a folder; in a bucket its manifest makes it one.

  Raises:
    UserError: the bucket does not answer or refuses.
  """
  if not buckets.is_address(directory):
    return directory.is_dir()
  try:
    buckets.read(directory / MANIFEST, 0, 1)
  except FileNotFoundError:
    return False
  except OSError as error:
    raise _unread(directory / MANIFEST, error) from None
  return True


def _read(
    path: str | os.PathLike, begin: int = 0, end: int | None = None
) -> bytes:
  """Bytes begin to end of a file, or fewer at its end."""
  if buckets.is_address(path):
    return buckets.read(path, begin, end)
  if end is None:
    with opening.open_file(path) as file:
      return file.read()
  file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
  try:
    return os.pread(file, end - begin, begin)
  finally:
    os.close(file)


def read_manifest(directory: epath.PathLike) -> dict[str, Any]:
  """What manifest.json of a folder says.

  Raises:
    UserError: there is none, or it is damaged or of another version.
  """
  path = directory / MANIFEST
  try:
    manifest = json.loads(_read(path))
    found = manifest['format']
    if found == _FORMAT:
      sizes = [shard['documents'] for shard in manifest['shards']]
      assert sum(sizes) == manifest['documents'] and manifest['index']
  except OSError as error:
    raise _unread(path, error) from None
  except (ValueError, TypeError, KeyError, AssertionError):
    raise _damaged(path, 'is not a manifest of shards') from None
  if found != _FORMAT:
    raise UserError(
        f'{path} is of format {found} and not {_FORMAT}; make the folder again '
        'with this version of `flamingo prepare`'
    )
  return manifest


def _check_size(path: epath.Path, size: int) -> None:
  try:
    found = os.stat(path).st_size
  except OSError as error:
    raise _damaged(path, f'cannot be read ({error.strerror})') from None
  if found != size:
    raise _damaged(path, f'has {found:,} bytes, and its manifest says {size:,}')


def _read_index(path: epath.Path, count: int) -> np.ndarray:
  try:
    if buckets.is_address(path):
      index = np.load(io.BytesIO(_read(path)))
    else:
      index = np.load(path, mmap_mode='r')
  except (OSError, ValueError):
    raise _damaged(path, 'is not an index') from None
  if index.dtype != _ENTRY or index.shape != (count,):
    raise _damaged(path, f'is not an index of {count:,} documents')
  return index


def _read_record(
    path: epath.Path, offset: int, length: int, crc32: int
) -> bytes:
  """The checked bytes of an Example."""
  begin = offset - _HEADER
  try:
    data = _read(path, begin, offset + length)
  except OSError as error:
    raise _damaged(path, f'cannot be read ({error.strerror})') from None
  record = data[_HEADER:]
  # The record's own length for programs that read shards from the beginning.
  if (
      len(record) != length
      or struct.unpack_from('<Q', data)[0] != length
      or zlib.crc32(record) != crc32
  ):
    raise _damaged(path, f'is damaged at byte {begin:,}')
  return record


def _decode(record: bytes) -> tuple[tuple[str | Media, ...], str]:
  """The parts of a document, and where it came from.

  Raises:
    message.DecodeError, LookupError, ValueError: it is not one of ours.
  """
  features = tf.train.Example.FromString(record).features.feature
  kind, value, name, source = (
      features[key].bytes_list.value if key in features else ()
      for key in ('kind', 'value', 'name', 'source')
  )
  known = {k.encode() for k in ('text', *get_args(Kind))}
  if not kind or not set(kind) <= known:
    raise ValueError(f'its parts are {", ".join(map(repr, kind)) or "none"}')
  parts = tuple(
      v.decode() if k == b'text' else Media(k.decode(), os.fsdecode(n), v)
      for k, v, n in zip(kind, value, name, strict=True)
  )
  return parts, os.fsdecode(source[0])


def _unread(path: os.PathLike, error: OSError) -> UserError:
  return UserError(
      f'{os.fspath(path)} cannot be read ({error.strerror}); name a folder that '
      '`flamingo prepare` wrote'
  )


def _damaged(path: os.PathLike, what: str) -> UserError:
  return UserError(
      f'{path} {what}; copy it again, or make its folder again with `flamingo '
      'prepare`'
  )

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that a downloader has fetched, by their URL."""

from collections.abc import Iterator
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import tarfile

import numpy as np

from flamingo_jax.data import data_uri
from flamingo_jax.data.documents import Media
from flamingo_jax.errors import UserError
from flamingo_jax.opening import open_file
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import tars
from flamingo_jax.prepare import web_urls
from flamingo_jax.prepare.source import (
    Dropped, embedded, find_files, has_ending,
)

_LARGEST = 2**26  # bytes of an image
_ENDINGS = ('.tar', '.json')
_TWICE = 'name of a fetched image comes twice, none of its images is used'
_KEYS, _PLACES = 'keys.npy', 'places.npy'
_FILES, _DAMAGED = 'files.json', 'damaged.json'

# Its name in the folder, and its size.
File = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class FetchedImages:
  """What img2dataset has fetched, as tar files or as single ones.

  Each image lies beside a JSON with its URL. Where there are two JSON or two
  images of one name, none of them is used: which are of each other is not
  known.
  """

  folder: str  # that img2dataset has written; '' if nothing was fetched
  # A folder where `write_index` has written; the images are found anew if it is
  # empty, which reads all JSON.
  index: str = ''

  def __fspath__(self) -> str:
    return self.folder

  def write_index(self, index: pathlib.Path) -> 'FetchedImages':
    """The same images, found through files that processes share.

    Raises:
      UserError: there is no image.
    """
    if not (index / _PLACES).exists():
      keys, places, files, damaged = _find(self.folder)
      index.mkdir(exist_ok=True)
      for name, value in ((_FILES, files), (_DAMAGED, damaged)):
        text = json.dumps(value, sort_keys=True)
        (index / name).write_text(text, encoding='utf-8')
      np.save(index / _KEYS, keys)
      np.save(index / f'draft-{_PLACES}', places)
      os.replace(index / f'draft-{_PLACES}', index / _PLACES)
    return FetchedImages(self.folder, os.fspath(index))

  def listing(self) -> list[File]:
    """All that a downloader has written there, which documents depend on."""
    return [_file(path, self.folder) for path in _files(self.folder)]

  def damaged(self) -> spool.Tally:
    """Files of which not all could be read, if there is an index."""
    text = pathlib.Path(self.index, _DAMAGED).read_text(encoding='utf-8')
    return spool.Tally(json.loads(text))

  def image(self, url: str) -> Media:
    """The image of a URL, which may be a data: URI.

    Raises:
      Dropped: as of `read`, or a data: URI is malformed.
    """
    if data_uri.is_data_uri(url):
      return embedded(url)
    return Media('image', url, self.read(url))

  def read(self, url: str) -> bytes:
    """The bytes of an image.

    Raises:
      Dropped: it was not fetched, or cannot be read any more.
    """
    if not self.folder:
      raise Dropped('image was not fetched', url)
    keys, places, files = _load(self)
    place = int(np.searchsorted(keys, _key(url)))
    if place == len(keys) or keys[place] != _key(url):
      raise Dropped('image was not fetched', url)
    number, offset, size = places[place].tolist()
    name, whole = files[number]
    path = os.path.join(self.folder, name)
    try:
      with open_file(path) as file:
        if os.fstat(file.fileno()).st_size != whole:
          raise Dropped(
              'file of fetched images has changed since the run began', path
          )
        file.seek(offset)
        return file.read(min(size, _LARGEST))
    except OSError as error:
      raise Dropped(
          'image cannot be read', f'{path}: {error.strerror}'
      ) from None


@functools.lru_cache(maxsize=1)
def _load(images: FetchedImages) -> tuple[np.ndarray, np.ndarray, list[File]]:
  if not images.index:
    return _find(images.folder)[:3]
  index = pathlib.Path(images.index)
  keys, places = (
      np.load(index / name, mmap_mode='r') for name in (_KEYS, _PLACES)
  )
  files = json.loads((index / _FILES).read_text(encoding='utf-8'))
  return keys, places, list(map(tuple, files))


def _files(folder: str) -> list[str]:
  return find_files([folder], _ENDINGS)


def _file(path: str, folder: str) -> File:
  return os.path.relpath(path, folder), os.path.getsize(path)


def _find(
    folder: str,
) -> tuple[np.ndarray, np.ndarray, list[File], spool.Tally]:
  """What is where, and what is damaged.

  Returns:
    Sorted keys of URLs; of each the number of its file, offset and size, as
    i64[N 3]; the files by their numbers; what was not seen.

  Raises:
    UserError: there is no image.
  """
  keys, places, damaged = [], [], spool.Tally()
  files: dict[File, int] = {}
  for path in _files(folder):
    try:
      for image in _images_of(path):
        if isinstance(image, Dropped):
          damaged.add(image.reason, image.detail)
          continue
        number = files.setdefault(_file(image.path, folder), len(files))
        keys.append(_key(image.url))
        places.append((number, image.offset, image.size))
    except (tarfile.TarError, OSError, EOFError) as error:
      damaged.add(
          'file of fetched images is damaged, what follows in it is not seen',
          f'{path}: {error}',
      )
  if not keys:
    told = f' ({damaged.told()})' if damaged else ''
    raise UserError(
        f'{folder} holds no image with a JSON of its URL{told}; name a folder '
        'that img2dataset has written with --output_format webdataset or files'
    )
  order = np.argsort(np.array(keys), kind='stable')
  places = np.array(places, np.int64)[order]
  return np.array(keys)[order], places, list(files), damaged


def _key(url: str) -> np.bytes_:
  spelt = (web_urls.requested(url) or url).encode('utf-8', 'replace')
  # In hexadecimal: numpy drops zeros at the end of bytes.
  return np.bytes_(hashlib.blake2b(spelt, digest_size=12).hexdigest())


@dataclasses.dataclass(frozen=True)
class _Image:
  """Where the image of a URL is."""

  url: str
  path: str  # of its file
  offset: int = 0
  size: int = _LARGEST


def _images_of(path: str) -> Iterator[_Image | Dropped]:
  """The images that a file tells of.

  Raises:
    tarfile.TarError, OSError, EOFError: it is damaged; what came is good.
  """
  if not has_ending(path, '.json'):
    yield from _images_of_tar(path)
    return
  images = _images_beside(path)
  url = _url(pathlib.Path(path).read_bytes()) if images else ''
  if url and len(images) > 1:
    yield Dropped(_TWICE, f'{path}: {", ".join(map(os.path.basename, images))}')
  elif url:
    yield _Image(url, images[0])


def _images_of_tar(path: str) -> Iterator[_Image | Dropped]:
  # Of each name of an archive the URLs, and where the images are.
  found: dict[
      tuple[int, str], tuple[list[str], list[tuple[int, int]]]
  ] = {}
  damage = None
  try:
    with tarfile.open(path, 'r:', tarinfo=tars.Header) as first:
      for number, archive in enumerate(tars.archives(first)):
        for member in archive:
          archive.members.clear()
          stem, _, field = member.name.rpartition('.')
          if not member.isreg():
            continue
          urls, places = found.setdefault((number, stem), ([], []))
          field = field.lower()
          if field == 'json' and member.size < _LARGEST:
            urls.append(_url(archive.extractfile(member).read()))
          elif field in captioned.IMAGE_FIELDS:
            places.append((member.offset_data, member.size))
  except (tarfile.TarError, OSError, EOFError) as error:
    damage = error
  for (_, stem), (urls, places) in found.items():
    if urls and places and (len(urls) > 1 or len(places) > 1):
      yield Dropped(_TWICE, f'{path}:{stem}')
    elif places and any(urls):
      yield _Image(urls[0], path, *places[0])
  if damage:
    raise damage


def _images_beside(path: str) -> list[str]:
  """The images of a JSON file, in the order of `captioned.IMAGE_FIELDS`."""
  stem = path[: -len('.json')]
  images = (f'{stem}.{field}' for field in captioned.IMAGE_FIELDS)
  return list(filter(os.path.isfile, images))


def _url(data: bytes) -> str:
  try:
    value = json.loads(data)
    url = value['url'] if value['status'] == 'success' else ''
  except (ValueError, KeyError, TypeError, RecursionError):
    return ''
  return url if isinstance(url, str) else ''

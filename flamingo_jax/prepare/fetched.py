# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that a downloader has fetched, by their URL."""

from collections.abc import Iterable
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import tarfile

import numpy as np

from flamingo_jax.errors import UserError
from flamingo_jax.prepare import captioned
from flamingo_jax.prepare import spool
from flamingo_jax.prepare import tars
from flamingo_jax.prepare.source import Dropped, find_files, has_ending

_LARGEST = 2**26  # bytes of an image
_ENDINGS = ('.tar', '.json')
_KEYS, _PLACES, _DAMAGED = 'keys.npy', 'places.npy', 'damaged.json'


@dataclasses.dataclass(frozen=True)
class FetchedImages:
  """What img2dataset has fetched, as tar files or as single ones.

  Each image lies beside a JSON with its URL.
  """

  folder: str  # that img2dataset has written
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
      keys, places, damaged = _find(self.folder)
      index.mkdir(exist_ok=True)
      text = json.dumps(damaged, sort_keys=True)
      (index / _DAMAGED).write_text(text, encoding='utf-8')
      np.save(index / _KEYS, keys)
      np.save(index / f'draft-{_PLACES}', places)
      os.replace(index / f'draft-{_PLACES}', index / _PLACES)
    return FetchedImages(self.folder, os.fspath(index))

  def damaged(self) -> spool.Tally:
    """Files of which not all could be read, if there is an index."""
    text = pathlib.Path(self.index, _DAMAGED).read_text(encoding='utf-8')
    return spool.Tally(json.loads(text))

  def read(self, url: str) -> bytes:
    """The bytes of an image.

    Raises:
      Dropped: it was not fetched, or cannot be read any more.
    """
    keys, places, files = _load(self)
    place = int(np.searchsorted(keys, _key(url)))
    if place == len(keys) or keys[place] != _key(url):
      raise Dropped('image was not fetched', url)
    number, offset, size = places[place].tolist()
    path = files[number]
    if has_ending(path, '.json'):
      path, size = _image_beside(path), _LARGEST
    try:
      with open(path, 'rb') as file:
        file.seek(offset)
        return file.read(min(size, _LARGEST))
    except OSError as error:
      raise Dropped(
          'image cannot be read', f'{files[number]}: {error.strerror}'
      ) from None


@functools.lru_cache(maxsize=1)
def _load(images: FetchedImages) -> tuple[np.ndarray, np.ndarray, list[str]]:
  files = find_files([images.folder], _ENDINGS)
  if not images.index:
    return *_find(images.folder)[:2], files
  keys, places = (
      np.load(pathlib.Path(images.index, name), mmap_mode='r')
      for name in (_KEYS, _PLACES)
  )
  return keys, places, files


def _find(folder: str) -> tuple[np.ndarray, np.ndarray, spool.Tally]:
  """Sorted keys of URLs, i64[N 3]: file, offset and size, and what is damaged.

  Raises:
    UserError: there is no image.
  """
  keys, places, damaged = [], [], spool.Tally()
  for number, path in enumerate(find_files([folder], _ENDINGS)):
    try:
      for url, offset, size in _images_of(path):
        keys.append(_key(url))
        places.append((number, offset, size))
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
  return np.array(keys)[order], np.array(places, np.int64)[order], damaged


def _key(url: str) -> np.bytes_:
  # In hexadecimal: numpy drops zeros at the end of bytes.
  return np.bytes_(hashlib.blake2b(url.encode(), digest_size=12).hexdigest())


def _images_of(path: str) -> Iterable[tuple[str, int, int]]:
  """(URL, offset, size) of the images of a file.

  Raises:
    tarfile.TarError, OSError, EOFError: it is damaged; what came is good.
  """
  if has_ending(path, '.json'):
    image = _image_beside(path)
    url = _url(pathlib.Path(path).read_bytes()) if image else ''
    return [(url, 0, 0)] if url else []
  return _images_of_tar(path)


def _images_of_tar(path: str) -> Iterable[tuple[str, int, int]]:
  found = {}
  with tarfile.open(path, 'r:', tarinfo=tars.Header) as archive:
    for member in archive:
      archive.members.clear()
      stem, _, field = member.name.rpartition('.')
      url, place = found.pop(stem, ('', None))
      if field == 'json' and member.isreg() and member.size < _LARGEST:
        url = _url(archive.extractfile(member).read())
      elif field in captioned.IMAGE_FIELDS and member.isreg():
        place = member.offset_data, member.size
      if url and place:
        yield url, *place
      elif url or place:
        found[stem] = url, place


def _image_beside(path: str) -> str:
  """The image of a JSON file, '' if there is none."""
  stem = path[: -len('.json')]
  images = (f'{stem}.{field}' for field in captioned.IMAGE_FIELDS)
  return next((image for image in images if os.path.isfile(image)), '')


def _url(data: bytes) -> str:
  try:
    value = json.loads(data)
    url = value['url'] if value['status'] == 'success' else ''
  except (ValueError, KeyError, TypeError, RecursionError):
    return ''
  return url if isinstance(url, str) else ''

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a source of documents is: where its items are, what each becomes."""

from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import os
from typing import Any, Protocol, runtime_checkable

from flamingo_jax import opening
from flamingo_jax.data import data_uri
from flamingo_jax.data.documents import Document, Media
from flamingo_jax.data.pictures import MediumError
from flamingo_jax.errors import UserError, one_line

_PATHS_TOLD = 3


class Dropped(Exception):
  """An item, or a medium of it, that is left out and counted.

  Attributes:
    reason: one of few, what is counted.
    detail: what is known about this one.
  """

  def __init__(self, reason: str, detail: str = ''):
    super().__init__(reason, detail)
    self.reason = reason
    self.detail = detail


@dataclasses.dataclass(frozen=True)
class Unit:
  """A piece of the input that one worker reads at a time."""

  path: str  # a file, or the folder of `members`
  # Where the piece begins; bytes, rows or whatever the source counts.
  begin: int = 0
  end: int = 0  # where it ends
  first: int = 0  # the number of the first item, for messages
  members: tuple[str, ...] = ()  # files, relative to `path`


@dataclasses.dataclass(frozen=True)
class Item:
  """One thing that becomes a document, and what messages call it."""

  place: str
  value: Any


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A medium as it is stored."""

  media: Media  # encoded, its longer side at most 1.15 times that of training
  width: int = 0  # pixels of the original; 0 for a video
  height: int = 0  # likewise
  look: int = 0  # difference hash, 64 bits; near ones are the same picture
  contrast: float = 0.0  # standard deviation of the brightness, 0 to 128


@runtime_checkable
class Fitter(Protocol):
  """Makes media small; `fitting.MediaFitter` is one."""

  def fit(self, media: Media) -> Fitted:
    """Decodes a medium, and encodes it anew if it is large.

    Raises:
      Dropped: it cannot be used.
    """


@dataclasses.dataclass(frozen=True)
class Converted:
  """A document and what was left out of it."""

  document: Document  # its media are encoded bytes
  # Why media were left out, one reason for each.
  losses: tuple[Dropped, ...] = ()
  url: str = ''  # of a page, '' where there is none; pages are taken once
  looks: tuple[int, ...] = ()  # difference hashes of the images, in order

  @classmethod
  def of(
      cls, parts: Iterable[str | Fitted], place: str,
      losses: Iterable[Dropped] = (), url: str = '',
  ) -> 'Converted':
    """A document of these parts, in order; `place` is what messages call it."""
    parts = tuple(parts)
    fitted = [part for part in parts if not isinstance(part, str)]
    return cls(
        Document(
            tuple(p if isinstance(p, str) else p.media for p in parts),
            one_line(place), 0,
        ),
        tuple(losses), url,
        tuple(f.look for f in fitted if f.media.kind == 'image'),
    )


def close_gaps(parts: Iterable[Any]) -> list[Any]:
  """The parts without None, which stands for what was left out.

  Texts that become neighbours so are paragraphs of one text.
  """
  closed, is_gap = [], False
  for part in parts:
    if part is not None and is_gap and closed and isinstance(part, str) and (
        isinstance(closed[-1], str)
    ):
      closed[-1] = f'{closed[-1].rstrip()}\n\n{part.lstrip()}'
    elif part is not None:
      closed.append(part)
    is_gap = part is None
  return closed


@runtime_checkable
class Source(Protocol):
  """One format. A frozen dataclass, whose fields are its options.

  One of them is `paths`, what the user named; it is not declared here, as Beam
  asks whether classes are of this protocol, which has methods alone therefore.

  Units, their order and their items depend on the input alone, and `convert`
  on the item alone, so that the number of workers changes nothing.
  """

  def units(self) -> list[Unit]:
    """The pieces of the input.

    Raises:
      UserError: a path is wrong, or there is nothing.
    """

  def read(self, unit: Unit) -> Iterator[Item]:
    """The items of a piece; a `Dropped` in place of an item is counted.

    Any exception ends the piece, and is counted too; a UserError ends the run.
    """

  def convert(self, item: Item, fitter: Fitter) -> Converted:
    """An item as a document.

    Raises:
      Dropped: there is no use for it.
    """


def has_ending(path: str, endings: str | tuple[str, ...]) -> bool:
  """Whether a file is of a kind; PHOTOS.TAR is one of .tar."""
  return path.lower().endswith(endings)


def find_files(paths: Iterable[str], endings: tuple[str, ...]) -> list[str]:
  """The files named, and those in the folders named, with one of the endings.

  Sorted, absolute.

  Raises:
    UserError: a path does not exist, has another ending, or is a folder
      without such files.
  """
  found = []
  for path in map(os.path.abspath, paths):
    if os.path.isdir(path):
      inside = [
          file for file in _below(path)
          # Editors keep links to nothing (.#own.jsonl) beside what they open.
          if has_ending(file, endings) and (
              os.path.exists(file) or not os.path.basename(file)[0] == '.'
          ) and _is_file(file)
      ]
      if not inside:
        raise UserError(
            f'{path} holds no file that ends in {" or ".join(endings)}; name '
            'the folder that does'
        )
      found += inside
    elif _is_file(path):
      if not has_ending(path, endings):
        raise UserError(
            f'{path} does not end in {" or ".join(endings)}; name a file of '
            'this kind, or rename this one if it is of it'
        )
      found.append(path)
    else:
      raise UserError(f'{path} does not exist; correct the path')
  return sorted(set(found))


def _below(folder: str) -> Iterator[str]:
  """All that is in a folder and those in it, but folders.

  Raises:
    UserError: one of them cannot be read.
  """
  def refuse(error: OSError) -> None:
    raise UserError(
        f'folder {error.filename} cannot be read ({error.strerror}); fix its '
        'permissions, or name the folders beside it'
    )

  for root, _, names in os.walk(folder, onerror=refuse):
    for name in names:
      yield os.path.join(root, name)


def _is_file(path: str | os.PathLike) -> bool:
  """Whether there is a file; a folder is none.

  Raises:
    UserError: it is a named pipe or the like, which would be waited for, or a
      link to nothing, as of data that were not fetched.
  """
  if os.path.isfile(path):
    return True
  if os.path.islink(path) and not os.path.exists(path):
    raise UserError(
        f'{os.fspath(path)} is a link to {os.readlink(path)}, which does not '
        'exist; fetch what it leads to, or remove it'
    )
  if os.path.exists(path) and not os.path.isdir(path):
    raise UserError(
        f'{os.fspath(path)} is {opening.kind_of(path)}, not a file; name '
        'files, or save what comes from there as one'
    )
  return False


def names_of(paths: Sequence[str]) -> str:
  """What a message calls the input, however many files it has."""
  more = len(paths) - _PATHS_TOLD
  return ', '.join(paths[:_PATHS_TOLD]) + (f' and {more} more' * (more > 0))


def path_inside(folder: str, name: str) -> str:
  """The path of a file that an archive, a crawl or a download names.

  It is below the folder, also where links lead; lists that are the user's own
  may name any file, and need no such care.

  Raises:
    Dropped: it would lead out of the folder, or is no path.
  """
  try:
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, name))
  except ValueError as error:  # NUL
    raise Dropped('path cannot be read', f'{name}: {error}') from None
  if not folder or os.path.commonpath([root, path]) != root:
    raise Dropped('path leads out of its folder', name)
  return path


def embedded(address: str) -> Media:
  """The image that a data: URI holds.

  Raises:
    Dropped: it is malformed.
  """
  try:
    return Media('image', 'data: URI', data_uri.decode(address))
  except MediumError as error:
    raise Dropped(f'image {error.reason}', str(error)) from None


def group(names: list[str], size: int) -> Iterator[tuple[str, ...]]:
  """Names in tuples of `size`; the last may be shorter."""
  for begin in range(0, len(names), size):
    yield tuple(names[begin : begin + size])


def read_bytes(path: str, limit: int) -> bytes:
  """A whole file.

  Raises:
    Dropped: it cannot be read, or has more than `limit` bytes.
  """
  try:
    with opening.open_file(path) as file:
      data = file.read(limit + 1)
  except OSError as error:
    raise Dropped('file cannot be read', f'{path}: {error.strerror}') from None
  if len(data) > limit:
    raise Dropped('file is too large', f'{path} has more than {limit:,} bytes')
  return data

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark's folder: its annotation files, and samples made from them."""

from collections.abc import Iterator, Mapping, Sequence
import csv
import dataclasses
import io
import pathlib
from typing import Any

from flamingo_jax import opening
from flamingo_jax.data import json_objects
from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError, shown
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.record import Record

_TOLD = 200  # characters of what a library says of a file


@dataclasses.dataclass(frozen=True)
class Source:
  """One split of a benchmark on disk."""

  folder: pathlib.Path  # DATA/<benchmark>
  benchmark: str  # its name
  split: str  # which one
  files: tuple[str, ...]  # of the split, relative to the folder
  origin: str  # where they come from
  prompt: str  # a template of a sample's text
  is_secret: bool = False  # whether its answers may be kept secret
  keeps_order: bool = False  # whether the first annotator's answer comes first

  def path(self, name: str) -> pathlib.Path:
    """Where an annotation file is.

    Raises:
      UserError: it is not there; says where it comes from.
    """
    path = self.folder / name
    if path.exists() and not path.is_file():
      raise UserError(
          f'{path} is {opening.kind_of(path)}, not a file: copy it again from '
          f'{self.origin}'
      )
    if not path.is_file():
      raise UserError(
          f'{path} does not exist: the split {self.split!r} of '
          f'{self.benchmark} needs it; it comes from {self.origin} and is not '
          'downloaded for you'
      )
    return path

  def read_text(self, number: int) -> str:
    """The split's file of this number.

    Raises:
      UserError: missing, or not UTF-8.
    """
    try:
      data = self.path(self.files[number]).read_bytes()
      text = data.decode('utf-8-sig')
    except OSError as error:
      raise self.error(number, f'cannot be read ({error.strerror})') from None
    except UnicodeDecodeError as error:
      line = data.count(b'\n', 0, error.start) + 1
      raise self.error(
          number, f'is not UTF-8, byte {data[error.start]:#x} in line {line} '
          'is of another encoding such as Latin-1'
      ) from None
    return text.replace('\r\n', '\n')

  def error(self, number: int, problem: str) -> UserError:
    """What is wrong with the file of this number, and the remedy."""
    return UserError(
        f'{self.path(self.files[number])} {problem}: copy it again from '
        f'{self.origin}'
    )

  def read_json(self, number: int) -> Any:
    """The split's file of this number, parsed.

    Raises:
      UserError: missing or not JSON.
    """
    try:
      return json_objects.parse(self.read_text(number))
    except UserError:
      raise
    except ValueError as error:
      raise self.error(number, f'is not JSON ({error})') from None

  def entries(self, number: int, *keys: str) -> list[Any]:
    """The list in the split's JSON file of this number, below these keys.

    Raises:
      UserError: missing, not JSON, or no list is there.
    """
    return self.listed(self.read_json(number), number, *keys)

  def listed(self, value: Any, number: int, *keys: str) -> list[Any]:
    """The list below these keys of a value that the file was read as.

    Raises:
      UserError: no list is there.
    """
    for key in keys:
      if not isinstance(value, dict) or key not in value:
        raise self.error(
            number, f'has no field {key!r}, but is {shown(value)}'
        )
      value = value[key]
    if not isinstance(value, list):
      where = f' as {keys[-1]!r}' if keys else ''
      raise self.error(
          number, f'has no list of entries{where}, but {shown(value)}'
      )
    return value

  def mapping(self, number: int) -> dict[str, Any]:
    """A JSON file that is one object."""
    value = self.read_json(number)
    if not isinstance(value, dict):
      raise self.error(number, f'is {shown(value)}, not one JSON object')
    return value

  def read_json_lines(self, number: int) -> list[Any]:
    """A JSON value per line.

    Raises:
      UserError: missing, or a line is not JSON.
    """
    values = []
    # `splitlines` would end lines at separators inside of texts, too.
    for line, text in enumerate(self.read_text(number).split('\n'), 1):
      try:
        values += [json_objects.parse(text)] if text.strip() else []
      except ValueError as error:
        raise UserError(
            f'{self.path(self.files[number])}:{line}: not JSON ({error}): '
            f'copy it again from {self.origin}'
        ) from None
    return values

  def read_csv(self, number: int) -> list[dict[str | None, Any]]:
    """Rows by the names of the first line.

    Raises:
      UserError: missing, or not CSV.
    """
    # Strict: else an open quote takes all that follows for one value.
    rows = csv.DictReader(io.StringIO(self.read_text(number)), strict=True)
    try:
      return list(rows)
    except csv.Error as error:
      raise self.error(
          number, f'is not CSV in line {rows.reader.line_num} ({error})'
      ) from None

  def read_parquet(self, number: int) -> list[dict[str, Any]]:
    """Rows by the names of their columns.

    Raises:
      UserError: missing, or not Parquet; pyarrow is not installed.
    """
    path = self.path(self.files[number])
    try:
      import pyarrow
      from pyarrow import parquet
    except ImportError:
      raise UserError(
          f"{path} is read with pyarrow: pip install -e '.[eval]' -c "
          'constraints.txt'
      ) from None
    try:
      with parquet.ParquetFile(path) as file:
        return file.read(use_threads=False).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
      reason = ' '.join(str(error).split())[:_TOLD]
      raise self.error(number, f'is not Parquet ({reason})') from None

  def name_of(self, number: int) -> str:
    """Of the sample of this place, for messages and records."""
    return f'{self.benchmark}:{self.split}:{number}'

  def image(self, name: str) -> tuple[Media, ...]:
    """A picture of the folder, which is not opened yet."""
    return (Media('image', str((self.folder / name).absolute())),)

  def video(self, name: str) -> tuple[Media, ...]:
    """A video, or a clip that was cut from one, not opened yet."""
    return (Media('video', str((self.folder / name).absolute())),)

  def features(self, name: str) -> tuple[Media, ...]:
    """Features of a .npy file, not opened yet."""
    return (Media('features', str((self.folder / name).absolute())),)

  def sample(
      self,
      number: int,
      media: tuple[Media, ...],
      fields: Mapping[str, str],
      answers: Sequence[str],
      record: Mapping[str, Any],
      candidates: Sequence[str] = (),
  ) -> Sample:
    """The sample of this place in the annotations, its prompt filled in."""
    return Sample(
        media=media,
        text=self.prompt.format(**fields),
        answers=tuple(answers),
        source=self.name_of(number),
        example_id=number,
        candidates=tuple(candidates),
        record=record,
    )

  def fields_of(
      self, entries: Sequence[Any], *names: str, number: int = 0,
      key: str = '',
  ) -> Iterator[tuple[int, Record]]:
    """(place, entry) of each; all have to have the fields.

    Args:
      entries: of a file.
      names: of the fields.
      number: of the file.
      key: the field whose text no two entries have.

    Raises:
      UserError: one lacks a field, so the file is of another format, or two
        have one key.
    """
    path, seen = self.folder / self.files[number], set()
    for place, entry in enumerate(entries):
      record = Record(
          {}, path, place, self.origin, self.is_secret, self.keeps_order
      )
      if not isinstance(entry, dict):
        raise record.error(f'is {shown(entry)} and has no fields')
      if None in entry:  # of CSV
        raise record.error('has more values than the first line has names')
      record = dataclasses.replace(record, entry=entry)
      for name in names:
        _ = record[name]
      text = record.text(key) if key else ''
      if key and text in seen:
        raise record.error(f'is the second one of {key} {shown(text)}')
      seen.add(text)
      yield place, record

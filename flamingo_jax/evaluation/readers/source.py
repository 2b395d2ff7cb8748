# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark's folder: its annotation files, and samples made from them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
import csv
import dataclasses
import io
import json
import pathlib
from typing import Any

from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample


@dataclasses.dataclass(frozen=True)
class Source:
  """One split of a benchmark on disk.

  Attributes:
    folder: DATA/<benchmark>.
    benchmark: its name.
    split: which one.
    files: of the split, relative to the folder.
    origin: where they come from.
    prompt: a template of a sample's text.
  """

  folder: pathlib.Path
  benchmark: str
  split: str
  files: tuple[str, ...]
  origin: str
  prompt: str

  def path(self, name: str) -> pathlib.Path:
    """Where an annotation file is.

    Raises:
      UserError: it is not there; says where it comes from.
    """
    path = self.folder / name
    if not path.is_file():
      raise UserError(
          f'{path} does not exist: the split {self.split!r} of '
          f'{self.benchmark} needs it; it comes from {self.origin} and is not '
          'downloaded for you'
      )
    return path

  def read_text(self, number: int) -> str:
    """The split's file of this number."""
    return self.path(self.files[number]).read_text(encoding='utf-8')

  def read_json(self, number: int) -> Any:
    """The split's file of this number, parsed.

    Raises:
      UserError: missing or not JSON.
    """
    try:
      return json.loads(self.read_text(number))
    except ValueError as error:
      raise UserError(
          f'{self.path(self.files[number])} is not JSON ({error}): copy it '
          f'again from {self.origin}'
      ) from None

  def read_json_lines(self, number: int) -> list[Any]:
    """A JSON value per line.

    Raises:
      UserError: missing, or a line is not JSON.
    """
    values = []
    # `splitlines` would end lines at separators inside of texts, too.
    for line, text in enumerate(self.read_text(number).split('\n'), 1):
      try:
        values += [json.loads(text)] if text.strip() else []
      except ValueError as error:
        raise UserError(
            f'{self.path(self.files[number])}:{line}: not JSON ({error}): '
            f'copy it again from {self.origin}'
        ) from None
    return values

  def read_csv(self, number: int) -> list[dict[str, str]]:
    """Rows by the names of the first line."""
    return list(csv.DictReader(io.StringIO(self.read_text(number))))

  def image(self, name: str) -> tuple[Media, ...]:
    """A picture of the folder, which is not opened yet."""
    return (Media('image', str((self.folder / name).absolute())),)

  def video(self, name: str) -> tuple[Media, ...]:
    """A video, or a clip that was cut from one, not opened yet."""
    return (Media('video', str((self.folder / name).absolute())),)

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
        source=f'{self.benchmark}:{self.split}:{number}',
        example_id=number,
        candidates=tuple(candidates),
        record=record,
    )

  def fields_of(
      self, entries: Sequence[Any], *names: str
  ) -> Iterator[tuple[int, Any]]:
    """(place, entry) of each; all have to have the fields.

    Raises:
      UserError: one lacks a field, so the file is of another format.
    """
    for number, entry in enumerate(entries):
      lost = [n for n in names if not isinstance(entry, dict) or n not in entry]
      if lost:
        raise UserError(
            f'{self.folder / self.files[0]}: entry {number} has no field '
            f'{lost[0]!r}: it is not the official file of {self.origin}'
        )
      yield number, entry


def by_frequency(answers: Sequence[str]) -> list[str]:
  """The answers of all annotators, the one that most gave first."""
  counts = Counter(answers)
  return sorted(answers, key=lambda answer: -counts[answer])

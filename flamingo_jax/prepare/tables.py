# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rows of Parquet files."""

from collections.abc import Iterator, Sequence

import pyarrow
from pyarrow import parquet

from flamingo_jax.errors import UserError, shown
from flamingo_jax.prepare.source import Item, Unit

ENDINGS = ('.parquet',)
_BATCH = 16  # rows in memory; they may hold images


def row_units(
    paths: Sequence[str], columns: Sequence[str], remedy: str
) -> list[Unit]:
  """A unit for each group of rows.

  A file that is no Parquet is a unit as well: reading it fails, and is counted.

  Raises:
    UserError: a file lacks one of the columns, or has one twice.
  """
  units = []
  for path in paths:
    try:
      with parquet.ParquetFile(path) as file:
        groups, names = file.num_row_groups, file.schema_arrow.names
        sizes = [
            file.metadata.row_group(group).num_rows for group in range(groups)
        ]
    except (pyarrow.ArrowException, OSError):
      units.append(Unit(path))
      continue
    missing = [column for column in columns if column not in names]
    if missing:
      raise UserError(
          f'{path} has no column {" nor ".join(map(repr, missing))}, only '
          f'{", ".join(names)}; {remedy}'
      )
    twice = [name for name in sorted(set(names)) if names.count(name) > 1]
    if twice:
      raise UserError(
          f'{path} has the column {" and ".join(map(shown, twice))} twice; '
          'rename one'
      )
    first = 0
    for group, size in enumerate(sizes):
      units.append(Unit(path, group, group + 1, first))
      first += size
  return units


def column_names(path: str) -> list[str]:
  """The columns of a file; none if it is no Parquet."""
  try:
    with parquet.ParquetFile(path) as file:
      return file.schema_arrow.names
  except (pyarrow.ArrowException, OSError):
    return []


def read_rows(unit: Unit, columns: Sequence[str]) -> Iterator[Item]:
  """The rows of a unit, as {column: value}.

  Raises:
    Exception: the file is damaged.
  """
  with parquet.ParquetFile(unit.path) as file:
    present = [name for name in file.schema_arrow.names if name in columns]
    batches = file.iter_batches(
        _BATCH, row_groups=range(unit.begin, unit.end or file.num_row_groups),
        columns=present, use_threads=False,
    )
    row = unit.first
    for batch in batches:
      for value in batch.to_pylist():
        yield Item(f'{unit.path}, row {row}', value)
        row += 1

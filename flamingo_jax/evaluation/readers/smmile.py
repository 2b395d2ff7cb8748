# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SMMILE: problems of examples and a query, with their pictures in the file."""

from collections.abc import Iterator
import dataclasses
import hashlib

from flamingo_jax.data.media import Media
from flamingo_jax.errors import shown
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation.readers.record import Record
from flamingo_jax.evaluation.readers.source import Source


def problems(source: Source) -> Iterator[Sample]:
  """Of the rows of a problem_id, by their order, the last is the query."""
  found: dict[str, dict[int, Sample]] = {}
  pictures: dict[str, bytes] = {}  # which SMMILE++ has many times each
  row = 0
  for number in range(len(source.files)):
    for _, entry in source.fields_of(
        source.read_parquet(number), 'problem_id', 'order', 'question',
        'answer', 'image', number=number,
    ):
      problem, order = entry.text('problem_id'), entry.whole('order')
      rows = found.setdefault(problem, {})
      if order in rows:
        raise entry.error(
            f'is the second one of order {order} in the problem '
            f'{shown(problem)}'
        )
      data = _picture(entry)
      digest = hashlib.sha256(data).hexdigest()
      data = pictures.setdefault(digest, data)
      rows[order] = source.sample(
          row, (Media('image', f'{entry.path}, row {entry.number}', data),),
          {'question': entry.text('question')}, [entry.text('answer')],
          {name: entry[name] for name in ('problem_id', 'question', 'answer')},
      )
      row += 1
  for rows in found.values():
    *supports, query = (rows[order] for order in sorted(rows))
    yield dataclasses.replace(query, supports=tuple(supports))


def _picture(entry: Record) -> bytes:
  """The encoded picture; those that the hub lacks have none."""
  picture = entry['image']
  data = picture.get('bytes') if isinstance(picture, dict) else None
  if not isinstance(data, bytes) or not data:
    raise entry.error(
        f"has {shown(picture)} as 'image', and no picture in it"
    )
  return data

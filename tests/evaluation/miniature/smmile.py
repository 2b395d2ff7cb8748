# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""SMMILE, and SMMILE++ with its examples in other orders, as the hub has them."""

import io

from PIL import Image
import pyarrow
from pyarrow import parquet

from tests.evaluation.miniature import views


def smmile(folder):
  """Thirty problems of two to five examples, not in the order of the file."""
  rows = [row for n in range(30) for row in _problem(n)]
  rows.sort(key=lambda row: (row['order'] * 7 % 5, row['problem_id']))
  write(folder / 'data' / 'train-00000-of-00001.parquet', rows)


def smmile_plusplus(folder):
  """A problem in two orders, in two files, of which each has half a problem."""
  rows = []
  for number in range(15):
    *examples, query = _problem(number)
    for turn in range(2):
      name = f'{query["problem_id"]}_perm{turn}'
      told = {'permutation_number': str(turn), 'problem_id': name,
              'original_problem_id': query['problem_id']}
      turned = [*(examples[::-1] if turn else examples), query]
      rows += [
          row | told | {'order': i, 'original_order': str(row['order'])}
          for i, row in enumerate(turned, 1)
      ]
  for part in range(2):
    write(
        folder / 'data' / f'train-{part:05d}-of-00002.parquet',
        rows[part::2],
    )


def _problem(number):
  shown = [
      views.VIEWS[(5 * number + 11 * i) % 60] for i in range(2 + number % 4)
  ] + [views.QUERIES[number]]
  problem = f'{number * 2654435761 % 2**32:08x}-d402-4fff'
  return [
      {'question': view.question, 'answer': _written(view.answer, number + i),
       'image': {'bytes': _encoded(view), 'path': f'{view.number}.png'},
       'image_url': f'https://x.org/{view.number}.png',
       'problem_id': problem, 'order': i,
       'parquet_path': 'x.parquet', 'speciality': 'Radiology',
       'flag_answer_format': 'Free'}
      for i, view in enumerate(shown, 1)
  ]


def _written(answer, number):
  """As different experts write."""
  return (answer, f'{answer.title()}.', f'{answer}, left ')[number % 3]


def _encoded(view):
  file = io.BytesIO()
  Image.fromarray(view.pixels).save(file, 'PNG')
  return file.getvalue()


def write(path, rows):
  path.parent.mkdir(parents=True, exist_ok=True)
  parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def read(path):
  return parquet.read_table(path).to_pylist()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever an annotation file holds: samples, or a sentence that names it."""

import csv
import io
import json
import random

import pyarrow
from pyarrow import parquet
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import paper_benchmarks
from tests.evaluation import miniature
from tests.evaluation.miniature import smmile

MUTATIONS = 8  # of each file
VALUES = [
    None, '', ' ', [], {}, 1.5, 'x', '1.0', 'nan', -1, True, float('nan'),
    float('inf'), 10**400, 1e300, '9' * 10_000, 'x' * 100_000, [[[]]], '\0',
    '\ud800', 'a\nb', ['x'], {'x': 'x'}, '../x', [None],
]


def places(value, at=()):
  """Where there is a value in a value."""
  yield at
  keys = ()
  if isinstance(value, dict | list):
    keys = value if isinstance(value, dict) else range(len(value))
  for key in keys:
    yield from places(value[key], (*at, key))


def mutate(value, rng):
  """Another value in one place, which is replaced, taken away or wrapped."""
  *path, last = (0, *rng.choice(list(places(value))))
  inner = root = [value]
  for key in path:
    inner = inner[key]
  what = rng.random()
  if what < 0.2 and inner is not root:
    del inner[last]
  elif what < 0.3:
    inner[last] = [inner[last]]
  elif what < 0.4:
    inner[last] = str(inner[last])
  elif what < 0.5 and isinstance(inner, list):
    inner.append(inner[last])
  else:
    inner[last] = rng.choice(VALUES)
  return root[0]


def mangle_rows(path, rng):
  """The bytes of a Parquet file in which something is wrong."""
  data = path.read_bytes()
  if rng.random() < 0.3:
    return data[: rng.randrange(len(data))]
  rows = smmile.read(path)
  rows[0] = mutate(rows[0], rng)
  written = io.BytesIO()
  try:
    parquet.write_table(pyarrow.Table.from_pylist(rows), written)
  except (pyarrow.ArrowException, AttributeError, ArithmeticError, TypeError,
          ValueError):
    return data[1:]  # it has no such values
  return written.getvalue()


def mangle_text(path, rng):
  """The bytes of a file in which something is wrong."""
  name, text = path.name, path.read_text(encoding='utf-8')
  harm = rng.random()
  if harm < 0.1:
    begin = rng.randrange(len(text))
    return (text[:begin] + rng.choice('"\xe9,[{\n') + text[begin:]).encode(
        rng.choice(['latin-1', 'utf-8', 'utf-8-sig']), 'replace'
    )
  if harm < 0.15:
    return text[: rng.randrange(len(text))].encode()
  if name.endswith('.json'):
    return json.dumps(mutate(json.loads(text), rng)).encode()
  lines = text.split('\n')
  line = rng.randrange(len(lines))
  if name.endswith('.jsonl') and lines[line]:
    lines[line] = json.dumps(mutate(json.loads(lines[line]), rng))
  elif name.endswith('.csv'):
    rows = list(csv.reader(io.StringIO(text)))
    rows[rng.randrange(len(rows))] = mutate(rng.choice(rows), rng)
    written = io.StringIO()
    csv.writer(written).writerows(
        row if isinstance(row, list) else [row] for row in rows
    )
    return written.getvalue().encode('utf-8', 'replace')
  else:
    lines[line] = rng.choice(['x', 'x y z', '"', '\0', 'x' * 100_000, ' y'])
  return '\n'.join(lines).encode()


@pytest.mark.parametrize('name', miniature.WRITERS)
def test_a_mangled_file_is_read_or_told(data, tmp_path, name):
  row = paper_benchmarks.find(name)
  files = {
      file: split for split in (row.supports or row.split, row.split)
      for file in row.source(data, split).files
  }
  for file, split in files.items():
    for seed in range(MUTATIONS):
      folder = tmp_path / f'{file.replace("/", "-")}-{seed}'
      for other in files:
        (folder / name / other).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / other).symlink_to(data / name / other)
      (folder / name / file).unlink()
      rng = random.Random(f'{name} {file} {seed}')
      bad = mangle_rows if file.endswith('.parquet') else mangle_text
      (folder / name / file).write_bytes(bad(data / name / file, rng))
      try:
        assert row.queries(folder, split)
      except UserError as error:
        message = str(error)
        assert str(folder / name) in message, message
        assert any(other in message for other in files), message
        assert '\n' not in message and len(message) <= 1000
        assert message.endswith(row.origin) or 'take both' in message, message

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""RICES: the nearest supports, none of the query's own, the nearest last."""

from etils import epath
import numpy as np
import pytest

from flamingo_jax.data import documents
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import rices
from flamingo_jax.evaluation.prompts import Sample


def sample(folder, degrees, source):
  """Its picture is embedded as the direction of an angle."""
  path = folder / f'{degrees}.png'
  path.write_text(source)
  medium = documents.image(path)
  return Sample((medium,), 'Output:', ('x',), source, 0)


def embed(media):
  angles = np.radians([float(epath.Path(m.path).stem) for m in media])
  return 7 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_supports_of_the_querys_source_are_left_out(tmp_path):
  folder = epath.Path(tmp_path)
  supports = [
      sample(folder, degrees, source)
      for degrees, source in [(0, 'a'), (50, 'b'), (10, 'a'), (20, 'a'),
                              (30, 'c'), (40, 'd')]
  ]
  # Two of the queries show the same picture, and one is none of the supports.
  queries = [sample(folder, 0, source) for source in ('a', 'new')]
  queries.append(sample(folder, 45, 'c'))
  index = rices.Index(queries, supports, embed)
  found = [
      [int(epath.Path(s.media[0].path).stem) for s in index.nearest(q, 3)]
      for q in queries
  ]
  # The cosines of 40 and 50 with 45 are the same, of which 50 comes first.
  assert found == [[50, 40, 30], [20, 10, 0], [20, 40, 50]]
  assert [s.source for s in index.nearest(queries[0], 1)] == ['c']
  with pytest.raises(UserError, match='a: 4 shots .* there are 3 supports'):
    index.nearest(queries[0], 4)

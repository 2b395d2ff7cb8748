# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""RICES: the supports whose pictures are like the query's (Flamingo §3.4).

Alike are pictures of similar features in the frozen vision encoder; the paper
does not say how they are compared, and here it is by the cosine of their means.
"""

from collections.abc import Callable, Sequence

import numpy as np

from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import neighbours
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.typing import Float

Embed = Callable[[Sequence[Media]], np.ndarray]


class Index:
  """The features of supports and queries, each of which is embedded once."""

  def __init__(
      self, queries: Sequence[Sample], supports: Sequence[Sample], embed: Embed
  ):
    """Embeds the supports, and then the queries, all at once.

    So all devices have work.

    Args:
      queries: which shots are for; all have media.
      supports: of which shots are chosen; likewise.
      embed: the features [n Dv] of n media.

    Raises:
      UserError: a query or a support has no media.
    """
    self._supports = supports
    self._embed = embed
    self._table = _by_sample(supports, self._features)
    # The same number for all supports of a source, and its queries.
    numbers = {}
    for sample in supports:
      numbers.setdefault(sample.source, len(numbers))
    self._owners = np.array([numbers[s.source] for s in supports])
    self._queries = _by_sample(queries, self._features)
    self._asking = np.array(
        [numbers.get(query.source, neighbours.ALL) for query in queries]
    )
    self._place = {_name(query): i for i, query in enumerate(queries)}
    self._nearest = {}  # of how many: their places

  def nearest(self, query: Sample, count: int) -> list[Sample]:
    """The supports that are most like one of the queries, the nearest last.

    The first call ranks them for all queries.

    Raises:
      UserError: there are fewer.
    """
    if count not in self._nearest:
      self._nearest[count] = neighbours.nearest(
          self._table, self._owners, self._queries, self._asking, count
      )
    places = self._nearest[count][self._place[_name(query)]]
    found = [self._supports[i] for i in places if i >= 0]
    if len(found) < count:
      raise UserError(
          f'{query.source}: {count} shots are asked for and there are '
          f'{len(found)} supports besides it: ask for fewer shots'
      )
    return found[::-1]

  def _features(self, media: Sequence[Media]) -> np.ndarray:
    """Rows of length 1."""
    rows = np.asarray(self._embed(media), np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1e-12)


def _by_sample(
    samples: Sequence[Sample], features: Embed
) -> Float[np.ndarray, 'N Dv']:
  """The features of each sample's picture, which several may ask about."""
  media = {medium.path: medium for medium in map(_first, samples)}
  row = {path: i for i, path in enumerate(media)}
  rows = [row[_first(sample).path] for sample in samples]
  return features(list(media.values()))[rows]


def _first(sample: Sample) -> Media:
  if not sample.media:
    raise UserError(
        f'{sample.source} has no picture to compare: RICES needs one'
    )
  return sample.media[0]


def _name(query: Sample) -> tuple[str, str]:
  """What its nearest supports depend on."""
  return _first(query).path, query.source

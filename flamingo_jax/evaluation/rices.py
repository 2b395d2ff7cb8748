# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""RICES: the supports whose pictures are like the query's (Flamingo §3.4).

Alike are pictures of similar features in the frozen vision encoder; the paper
does not say how they are compared, and here it is by the cosine of their means.
"""

from collections.abc import Callable, Sequence
import hashlib

from etils import epath
import numpy as np

from flamingo_jax.data.media import Media
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Sample

Embed = Callable[[Sequence[Media]], np.ndarray]


class Index:
  """The features of supports and queries, each of which is embedded once."""

  def __init__(
      self,
      queries: Sequence[Sample],
      supports: Sequence[Sample],
      embed: Embed,
      folder: epath.Path,
      model: str,
  ):
    """Embeds the supports, or reads what an earlier index of them wrote.

    The queries are embedded all at once, so that all devices have work.

    Args:
      queries: which shots are for; all have media.
      supports: of which shots are chosen; likewise.
      embed: the features [n Dv] of n media.
      folder: keeps the features.
      model: tells models apart.

    Raises:
      UserError: a query or a support has no media.
    """
    self._supports = supports
    self._embed = embed
    asked = list(dict.fromkeys(map(_first, queries)))
    media = [_first(sample) for sample in supports]
    key = hashlib.sha256(model.encode())
    for medium in media:
      key.update(f'{medium.path} {epath.Path(medium.path).stat()}'.encode())
    file = folder / f'rices.{key.hexdigest()[:16]}.npy'
    if file.exists():
      with file.open('rb') as stream:
        self._table = np.load(stream)
    else:
      self._table = self._features(media)
      draft = file.with_name(f'{file.name}.tmp')
      with draft.open('wb') as stream:
        np.save(stream, self._table)
      draft.replace(file)
    self._of_query = dict(zip(asked, self._features(asked), strict=True))

  def nearest(self, query: Sample, count: int) -> list[Sample]:
    """The supports that are most like one of the queries, the nearest last.

    Raises:
      UserError: there are fewer.
    """
    likeness = self._table @ self._of_query[_first(query)]
    order = np.argsort(-likeness, kind='stable')
    found = [
        self._supports[i] for i in order
        if self._supports[i].source != query.source
    ][:count]
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


def _first(sample: Sample) -> Media:
  if not sample.media:
    raise UserError(
        f'{sample.source} has no picture to compare: RICES needs one'
    )
  return sample.media[0]

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""How benchmarks that come with a rule of their own choose shots."""

from collections.abc import Sequence
import dataclasses

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.prompts import Choose, Sample, choose_shots, draws


@dataclasses.dataclass(frozen=True)
class ShotRule:
  """A benchmark's own rule."""

  choose: Choose
  told: str  # what a card says of it


_HASH = (
    'a hash of the seed and of the place of the query in its file decides; the '
    "makers draw with Python's generator"
)


def _with_its_result(
    query: Sample, supports: Sequence[Sample], count: int, seed: int
) -> list[Sample]:
  chosen = choose_shots(query, supports, count, seed)
  place = query.record['result']
  return [
      dataclasses.replace(shot, answers=(shot.answers[place],))
      for shot in chosen
  ]


# A query's 'result' in its record is the place of the answers that supports
# show.
HIDDEN_OPERATOR = ShotRule(
    _with_its_result,
    'supports, drawn at random, with the results of the operator of the query; '
    + _HASH,
)


def _both_of_pairs(
    query: Sample, supports: Sequence[Sample], count: int, seed: int
) -> list[Sample]:
  pairs = {}
  for support in supports:
    pairs.setdefault(support.record['pair'], []).append(support)
  whole = [pair for pair in pairs.values() if len(pair) == 2]
  if count > len(whole):
    raise UserError(
        f'{query.source}: {count} shots are asked for and there are '
        f'{len(whole)} pairs of supports: ask for fewer'
    )
  other = {pair[0].source: pair for pair in whole}
  chosen = choose_shots(query, [pair[0] for pair in whole], count, seed)
  return [
      shot for first in chosen
      for shot in sorted(other[first.source], key=lambda s: s.example_id)
  ]


# Supports that are alike in 'pair' in their record are shown one after the
# other, in the order of their file.
PAIRS = ShotRule(
    _both_of_pairs,
    'a shot is a pair of examples, the one right after the other: one where '
    'both pictures are of a class and one where they are not; ' + _HASH,
)


def _two_ways(
    query: Sample, supports: Sequence[Sample], count: int, seed: int
) -> list[Sample]:
  del supports
  right = query.answers[0]
  others = [name for name in query.record['classes'] if name != right]
  draw = next(draws(query.example_id, seed, 2 * len(others)))
  names = [right, others[draw // 2]]
  if draw % 2:
    names.reverse()
  of_names = [
      [s for s in query.supports if s.answers[0] == name] for name in names
  ]
  fewest = min(map(len, of_names))
  if count > fewest:
    raise UserError(
        f'{query.source}: {count} shots are asked for and it has {fewest} of a '
        'class: ask for fewer'
    )
  return [shot for pair in zip(*of_names) for shot in pair][: 2 * count]


TWO_WAYS = ShotRule(
    _two_ways,
    'a shot is a picture of the class of the query and one of another of its '
    'classes, all of which come with the query; the two classes take turns in '
    'one order, and pictures are taken in the order of the file; which class, '
    'and which is first, ' + _HASH,
)

OWN = ShotRule(
    lambda query, supports, count, seed: list(query.supports[:count]),
    'the examples that come with the query, in their order: the first of them, '
    'or all if it has fewer than are asked for',
)

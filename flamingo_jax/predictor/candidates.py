# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Candidates as trees of the tokens that they begin with, cut into parts.

Of the 1,000 names of ImageNet's classes, many begin alike and most are short: read
one by one and padded to the longest they would be many times as many tokens.
"""

from collections.abc import Sequence

import jax
import numpy as np

from flamingo_jax import decoding
from flamingo_jax.models import Branches
from flamingo_jax.predictor import shapes
from flamingo_jax.typing import Float, Int

_MOST_READ = 256  # tokens of a part
_MOST_STEPS = 1024


class Trees:
  """The candidates of each prompt, all of one shape.

  Attributes:
    count: most candidates of a prompt.
    longest: tokens of the longest candidate.
    read: tokens of a part, padded.
  """

  def __init__(self, candidates: Sequence[Sequence[Sequence[int]]]):
    """Grows a tree for each list of candidates.

    Args:
      candidates: tokens of each prompt's.
    """
    grown = {}
    self._of_prompt = []
    for of_prompt in candidates:
      key = tuple(map(tuple, of_prompt))
      if key not in grown:
        grown[key] = _Tree(key)
      self._of_prompt.append(grown[key])
    trees = list(grown.values())
    self.count = max(len(tree.paths) for tree in trees)
    self.longest = max(len(path) for tree in trees for path in tree.paths)
    parts = [part for tree in trees for part in tree.parts]
    read = max(len(part.read) for part in parts)
    self.read = shapes.bucket(read) if read else 0
    self._shape = (
        max(len(tree.parts) for tree in trees),
        self.read,
        shapes.bucket(max(len(part.steps) for part in parts)),
    )

  def arrays(self, rows: Sequence[int]) -> decoding.Candidates:
    """Of these prompts, [prompts, parts, ...]."""
    made = {
        tree: tree.arrays(self._shape)
        for tree in {self._of_prompt[row] for row in rows}
    }
    return jax.tree.map(
        lambda *x: np.stack(x), *(made[self._of_prompt[row]] for row in rows)
    )

  def sums(
      self, rows: Sequence[int], log_probs: Float[np.ndarray, 'B parts E']
  ) -> Float[np.ndarray, 'B C']:
    """Of the steps of each candidate; 0 where a prompt has fewer."""
    found = np.zeros((len(rows), self.count), np.float32)
    for place, row in enumerate(rows):
      paths = self._of_prompt[row].paths
      steps = np.full((len(paths), self.longest), -1)
      for number, path in enumerate(paths):
        steps[number, : len(path)] = [
            part * log_probs.shape[-1] + step for part, step in path
        ]
      flat = np.append(log_probs[place].reshape(-1), np.float32(0))
      found[place, : len(paths)] = flat[steps].sum(axis=1)
    return found


class _Tree:
  """Attributes: parts, and paths: (part, step) of each token of a candidate."""

  def __init__(self, candidates: Sequence[tuple[int, ...]]):
    self.parts = [_Part()]
    self.paths = [[]] * len(candidates)
    for number in sorted(range(len(candidates)), key=lambda i: candidates[i]):
      if not self.parts[-1].has_room(candidates[number]):
        self.parts.append(_Part())
      part = len(self.parts) - 1
      steps = self.parts[-1].add(candidates[number])
      self.paths[number] = [(part, step) for step in steps]

  def arrays(self, shape: tuple[int, int, int]) -> decoding.Candidates:
    """[parts, ...], padded."""
    parts, read, steps = shape
    parent, token = np.zeros((2, parts, steps), np.int32)
    tokens, depth = np.zeros((2, parts, read), np.int32)
    sees = np.tile(np.eye(read, dtype=bool), (parts, 1, 1))
    for i, part in enumerate(self.parts):
      parent[i, : len(part.steps)], token[i, : len(part.steps)] = zip(*part.steps)
      for place, (before, ids) in enumerate(part.read):
        tokens[i, place] = ids
        if before:
          depth[i, place] = depth[i, before - 1] + 1
          sees[i, place] |= sees[i, before - 1]
    return decoding.Candidates(tokens, Branches(depth, sees), parent, token)


class _Part:
  """Steps and the tokens read, as (parent, token), each with its number."""

  def __init__(self):
    self.steps: dict[tuple[int, int], int] = {}
    self.read: dict[tuple[int, int], int] = {}

  def has_room(self, candidate: tuple[int, ...]) -> bool:
    """Whether it may have one more; always, if it has none."""
    return not self.steps or (
        len(self.read) + len(candidate) - 1 <= _MOST_READ
        and len(self.steps) + len(candidate) <= _MOST_STEPS
    )

  def add(self, candidate: tuple[int, ...]) -> list[int]:
    """The steps of a candidate."""
    parent, numbers = 0, []
    for place, token in enumerate(candidate, 1):
      step = parent, token
      numbers.append(self.steps.setdefault(step, len(self.steps)))
      if place < len(candidate):
        parent = self.read.setdefault(step, len(self.read) + 1)
    return numbers

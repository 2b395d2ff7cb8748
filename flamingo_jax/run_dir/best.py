# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""MODEL_DIR/best.json: how good each evaluated step is at held-out examples.

Small data are learned by heart long before a run ends, so its newest checkpoint
is seldom the one that knows most of new pictures.
"""

from collections.abc import Iterable, Mapping
import json
import os

from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.errors import UserError

BEST = 'best'  # in the place of a step
_FILE = 'best.json'
LOWER_IS_BETTER = 'nats_per_token'  # the last word of such a metric's name


def note_score(
    model_dir: str | os.PathLike, metric: str, step: int, score: float
) -> tuple[int, float]:
  """Notes a step's score; the best step so far, and its score.

  A run that goes on behind an earlier checkpoint evaluates its steps anew, and
  one that is given another metric begins anew.

  Args:
    model_dir: the run's folder.
    metric: what it is the score at; the more the better, unless its name ends
      with LOWER_IS_BETTER.
    step: that is evaluated.
    score: of it.
  """
  known = read_scores(model_dir)
  scores = known.get(metric, {})
  scores = {at: score for at, score in scores.items() if at < step}
  scores[step] = score
  write_atomically(as_folder(model_dir) / _FILE, json.dumps({
      metric: {str(at): score for at, score in sorted(scores.items())}
  }, indent=2) + '\n')
  best = best_of(metric, scores)
  return best, scores[best]


def best_step(
    model_dir: str | os.PathLike, steps: Iterable[int]
) -> int | None:
  """Which of some steps is best; None where none was scored.

  Raises:
    UserError: best.json is damaged.
  """
  for metric, scores in read_scores(model_dir).items():
    return best_of(
        metric, {step: scores[step] for step in steps if step in scores}
    )
  return None


def best_of(metric: str, scores: Mapping[int, float]) -> int | None:
  """The best step, the earliest of equals; None of none."""
  sign = 1 if metric.endswith(LOWER_IS_BETTER) else -1
  return min(scores, key=lambda step: (sign * scores[step], step), default=None)


def read_scores(model_dir: str | os.PathLike) -> dict[str, dict[int, float]]:
  """{metric: {step: score}} of the one metric; {} where none was noted.

  Raises:
    UserError: best.json is damaged.
  """
  path = as_folder(model_dir) / _FILE
  if not path.exists():
    return {}
  try:
    ((metric, scores),) = json.loads(path.read_text()).items()
    return {metric: {int(step): float(x) for step, x in scores.items()}}
  except (AttributeError, TypeError, ValueError) as error:
    raise UserError(
        f'{path} is damaged: remove it, and name a step in the place of '
        f'{BEST!r}'
    ) from error

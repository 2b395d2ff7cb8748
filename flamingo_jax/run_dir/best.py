# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""MODEL_DIR/best.json: what each evaluated step knows of validation data.

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
_METRIC = 'validation_nats_per_token'  # the fewer the better


def note_validation(
    model_dir: str | os.PathLike, step: int, nats_per_token: float
) -> int:
  """Notes a step's score; the best step so far.

  A run that goes on behind an earlier checkpoint evaluates its steps anew.
  """
  scores = _read(model_dir)
  scores = {known: score for known, score in scores.items() if known < step}
  scores[step] = nats_per_token
  write_atomically(as_folder(model_dir) / _FILE, json.dumps({
      _METRIC: {str(known): score for known, score in sorted(scores.items())}
  }, indent=2) + '\n')
  return _lowest(scores)


def best_step(
    model_dir: str | os.PathLike, steps: Iterable[int]
) -> int | None:
  """Which of some steps knows validation data best; None where none was noted.

  Raises:
    UserError: best.json is damaged.
  """
  scores = _read(model_dir)
  return _lowest({step: scores[step] for step in steps if step in scores})


def _lowest(scores: Mapping[int, float]) -> int | None:
  return min(scores, key=lambda step: (scores[step], step), default=None)


def _read(model_dir: str | os.PathLike) -> dict[int, float]:
  """{step: nats per token}."""
  path = as_folder(model_dir) / _FILE
  if not path.exists():
    return {}
  try:
    scores = json.loads(path.read_text())[_METRIC]
    return {int(step): float(score) for step, score in scores.items()}
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(
        f'{path} is damaged: remove it, and name a step in the place of '
        f'{BEST!r}'
    ) from error

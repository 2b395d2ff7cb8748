# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A run for each combination of values, and the best of them (Flamingo B.2.2).

Each is OUT/<NAME>=<value>,<NAME>=<value>, a MODEL_DIR with a best.json.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
import json
import re
from typing import Any

from etils import epath

from flamingo_jax import progress
from flamingo_jax.data.buckets import as_folder
from flamingo_jax.data.owner import owned
from flamingo_jax.data.storage import write_atomically
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir.best import best_of, read_scores
from flamingo_jax.run_dir.steps import checkpoint_folder, find_step
from flamingo_jax.series import Flamingo, call_flamingo, check_made_from


@dataclasses.dataclass(frozen=True)
class Grid:
  """What is tried."""

  out: epath.Path  # the folder of the runs, the table and its JSON
  flags: tuple[str, ...]  # of `flamingo train`, for every run
  tried: Mapping[str, Sequence[str]]  # values of each gin name, as gin has them
  flamingo: Flamingo = call_flamingo  # runs the program

  @property
  def combinations(self) -> list[dict[str, str]]:
    """A value for each name, the first name's changing last."""
    return [
        dict(zip(self.tried, values))
        for values in itertools.product(*self.tried.values())
    ]

  def score(self, values: Mapping[str, str]) -> dict[str, Any]:
    """The row of a run, which is done if it is not yet.

    Raises:
      UserError: it fails, or chooses no step.
    """
    name = ','.join(f'{name}={value}' for name, value in values.items())
    folder = self.out / re.sub(r'[^\w.,=+-]', '_', name)
    flags = [
        *self.flags, *(f'--gin.{name}={value}' for name, value in values.items())
    ]
    check_made_from(folder, flags)
    if not (folder / 'finished').exists():
      self.flamingo(['train', *flags, f'--model_dir={folder}'])
      (folder / 'finished').touch()
    scores = read_scores(folder)
    if not scores:
      raise UserError(
          f'{folder} has no best.json, so that runs cannot be compared: take a '
          'gin file that chooses a step, such as configs/finetune_own_data.gin'
      )
    ((metric, of_steps),) = scores.items()
    step = find_step(folder, 'best')
    return {
        'values': dict(values), 'metric': metric, 'score': of_steps[step],
        'step': step, 'checkpoint': f'{checkpoint_folder(folder, step)}',
    }


def search(grid: Grid) -> list[dict[str, Any]]:
  """Runs all combinations, the best first; writes OUT/grid.md and .json.

  Both are written again after each run, and what is finished is not run again.

  Raises:
    UserError: nothing to try, a run that fails or chooses no step, or a folder of
      runs that were made from something else, or that another process writes.
  """
  grid = dataclasses.replace(grid, out=as_folder(grid.out))
  rows = []
  with owned(grid.out):
    for place, values in enumerate(grid.combinations, 1):
      told = ', '.join(f'{name} {value}' for name, value in values.items())
      progress.say(f'{told}: {place} of {len(grid.combinations)} runs')
      rows.append(grid.score(values))
      rows = _sorted(rows)
      write_atomically(
          grid.out / 'grid.json', json.dumps(rows, indent=2) + '\n'
      )
      write_atomically(grid.out / 'grid.md', as_markdown(rows))
  return rows


def _sorted(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  """The best first, equals in their order."""
  left, found = dict(enumerate(rows)), []
  while left:
    scores = {place: row['score'] for place, row in left.items()}
    found.append(left.pop(best_of(rows[0]['metric'], scores)))
  return found


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
  """A line for each run, and where the best is."""
  names = list(rows[0]['values'])
  lines = [
      f'| {" | ".join(names)} | {rows[0]["metric"]} | step |',
      '|---' * (len(names) + 2) + '|',
  ]
  for row in rows:
    values = ' | '.join(row['values'].values())
    lines.append(f'| {values} | {row["score"]:.4g} | {row["step"]} |')
  return '\n'.join([*lines, '', f'Best: {rows[0]["checkpoint"]}', ''])

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores over the number of shots, with controls: a table, a CSV and a plot.

It is of tasks that are named <task>_<n>shot or <task>_<n>shot_<control>, where a
control changes one thing about the prompts of the task. What shots alone would
score (`baselines`) stands beside them as a control does.
"""

from collections.abc import Mapping
import csv
import io
import re

from etils import epath

from flamingo_jax.data.storage import write_atomically
from flamingo_jax.evaluation import baselines
from flamingo_jax.evaluation import plots
from flamingo_jax.evaluation.report import aligned

_NAME = re.compile(r'(?P<task>.+)_(?P<shots>\d+)shot(?:_(?P<control>.+))?')
_INTERVAL = ('low', 'high')

# (task, control, metric) to number of shots to (score, low, high).
Curves = dict[tuple[str, str, str], dict[int, plots.Point]]


def name_task(task: str, shots: int, control: str) -> str:
  """'<task>_<n>shot', and '_<control>' if there is one."""
  return f'{task}_{shots}shot' + (f'_{control}' if control else '')


def report(
    scores: Mapping[str, Mapping[str, float]], folder: epath.Path
) -> dict[str, Mapping[str, float]]:
  """Prints the table and writes shots.csv and shots.png.

  Args:
    scores: {task: {metric: score}}; those of metrics <name>_low and <name>_high
      are the ends of a 95 % interval, those of <name>_<baseline> stand beside it.
    folder: of the files.

  Returns:
    The scores of tasks with one number of shots, which are in no table.
  """
  curves = read_curves(scores)
  shown = {task for task, _, _ in curves}
  if curves:
    print(as_table(curves))
    write_atomically(folder / 'shots.csv', as_csv(curves))
    write_atomically(folder / 'shots.png', plots.draw(panels(curves)))
  return {
      name: values for name, values in scores.items()
      if not (match := _NAME.fullmatch(name)) or match['task'] not in shown
  }


def read_curves(scores: Mapping[str, Mapping[str, float]]) -> Curves:
  """The scores of all tasks that there are several numbers of shots of.

  Baselines stand as controls; under a control they would say nothing new.
  """
  curves: Curves = {}
  for name, values in scores.items():
    match = _NAME.fullmatch(name)
    if not match:
      continue
    for metric, score in values.items():
      stem, _, end = metric.rpartition('_')
      if end in _INTERVAL and stem in values:
        continue
      key = match['task'], match['control'] or '', metric
      if end in baselines.NAMES and stem in values:
        if match['control']:
          continue
        key = match['task'], end, stem
      curves.setdefault(key, {})[int(match['shots'])] = (
          score, *(values.get(f'{metric}_{end}') for end in _INTERVAL)
      )
  several = {key[0] for key, points in curves.items() if len(points) > 1}
  tasks = list(dict.fromkeys(task for task, _, _ in curves))
  rank = lambda key: (
      tasks.index(key[0]), bool(key[1]), key[1] not in baselines.NAMES
  )
  return {
      key: dict(sorted(curves[key].items()))
      for key in sorted(curves, key=rank) if key[0] in several
  }


def as_table(curves: Curves) -> str:
  """A row for each task, control and metric; half an interval behind ±."""
  shots = sorted({n for points in curves.values() for n in points})
  cells = [('task', 'control', 'metric', *(f'{n} shots' for n in shots))]
  for (task, control, metric), points in curves.items():
    cells.append((
        task, control or '-', metric,
        *(_cell(*points[n]) if n in points else '' for n in shots),
    ))
  return aligned(cells)


def _cell(score: float, low: float | None, high: float | None) -> str:
  if low is None or high is None:
    return f'{score:.3g}' if 0 < score < 1 else f'{score:.1f}'
  return f'{score:.1f} ±{(high - low) / 2:.1f}'


def as_csv(curves: Curves) -> str:
  """A line per task, control, metric and number of shots."""
  file = io.StringIO()
  writer = csv.writer(file, lineterminator='\n')
  writer.writerow(('task', 'control', 'metric', 'shots', 'score', *_INTERVAL))
  for key, points in curves.items():
    for shots, values in points.items():
      writer.writerow((*key, shots, *values))
  return file.getvalue()


def panels(curves: Curves) -> list[plots.Panel]:
  """One per task and metric, with a curve per control."""
  label = lambda control: control.replace('_', ' ') or 'paired shots'
  found = []
  for panel in dict.fromkeys((task, metric) for task, _, metric in curves):
    own = {
        label(control): points
        for (task, control, metric), points in curves.items()
        if (task, metric) == panel and control not in baselines.RATES
    }
    found.append(plots.Panel(
        panel[0], 'shots', panel[1], own,
        dashed=[name for name in own if name != label('')],
    ))
  return found

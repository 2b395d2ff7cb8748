# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores over the number of shots, with controls: a table, a CSV and a plot.

It is of tasks that are named <task>_<n>shot or <task>_<n>shot_<control>, where a
control changes one thing about the prompts of the task.
"""

from collections.abc import Mapping
import csv
import io
import math
import re

from etils import epath

from flamingo_jax.data.storage import write_atomically
from flamingo_jax.evaluation.report import aligned

_NAME = re.compile(r'(?P<task>.+)_(?P<shots>\d+)shot(?:_(?P<control>.+))?')
_INTERVAL = ('low', 'high')
_COLUMNS = 2  # of the plot: what a page is wide enough for

# (task, control, metric) to number of shots to (score, low, high).
Curves = dict[
    tuple[str, str, str], dict[int, tuple[float, float | None, float | None]]
]


def report(
    scores: Mapping[str, Mapping[str, float]], folder: epath.Path
) -> dict[str, Mapping[str, float]]:
  """Prints the table and writes shots.csv and shots.png.

  Args:
    scores: {task: {metric: score}}; those of metrics <name>_low and <name>_high
      are the ends of a 95 % interval.
    folder: of the files.

  Returns:
    The scores of tasks with one number of shots, which are in no table.
  """
  curves = read_curves(scores)
  shown = {task for task, _, _ in curves}
  if curves:
    print(as_table(curves))
    write_atomically(folder / 'shots.csv', as_csv(curves))
    plot(curves, folder / 'shots.png')
  return {
      name: values for name, values in scores.items()
      if not (match := _NAME.fullmatch(name)) or match['task'] not in shown
  }


def read_curves(scores: Mapping[str, Mapping[str, float]]) -> Curves:
  """The scores of all tasks that there are several numbers of shots of."""
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
      curves.setdefault(key, {})[int(match['shots'])] = (
          score, *(values.get(f'{metric}_{end}') for end in _INTERVAL)
      )
  several = {key[0] for key, points in curves.items() if len(points) > 1}
  return {
      key: dict(sorted(points.items()))
      for key, points in curves.items() if key[0] in several
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
    return f'{score:.3g}'
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


def plot(curves: Curves, path: epath.Path) -> None:
  """A picture per task and metric, with a line per control, as a PNG."""
  import matplotlib.figure

  panels = list(dict.fromkeys((task, metric) for task, _, metric in curves))
  columns = min(len(panels), _COLUMNS)
  rows = math.ceil(len(panels) / columns)
  figure = matplotlib.figure.Figure(
      figsize=(5.5 * columns, 4 * rows), layout='constrained'
  )
  for place, panel in enumerate(panels, 1):
    axes = figure.add_subplot(rows, columns, place)
    own = {
        control: points for (task, control, metric), points in curves.items()
        if (task, metric) == panel
    }
    # Shots double from one to the next; evenly spaced, all can be read.
    ticks = sorted({shots for points in own.values() for shots in points})
    axes.set_xticks(range(len(ticks)), map(str, ticks))
    for control, points in own.items():
      style = '--' if control else '-'
      places = [ticks.index(shots) for shots in points]
      line, = axes.plot(
          places, [point[0] for point in points.values()], style, marker='o',
          label=control.replace('_', ' ') or 'paired shots',
      )
      if all(low is not None for _, low, _ in points.values()):
        _, low, high = zip(*points.values())
        axes.fill_between(places, low, high, color=line.get_color(), alpha=0.12)
    axes.set(title=panel[0], xlabel='shots', ylabel=panel[1])
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, fontsize='small')
  with path.open('wb') as file:
    figure.savefig(file, format='png', dpi=150)

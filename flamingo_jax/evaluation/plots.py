# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every plot: panels of curves with their intervals, as a PNG."""

from collections.abc import Mapping, Sequence
import dataclasses
import io
import math

_COLUMNS = 2  # what a page is wide enough for

# (value, low, high), of which the ends of the interval may be None.
Point = tuple[float, float | None, float | None]


@dataclasses.dataclass(frozen=True)
class Panel:
  """Curves over one axis."""

  title: str  # above it
  x: str  # what the axis is
  y: str  # what the values are
  # Points by place on the axis, by name.
  curves: Mapping[str, Mapping[int, Point]]
  dashed: Sequence[str] = ()  # names of curves to compare with the others
  spaces_evenly: bool = True  # whether places are so, as those that double


def draw(panels: Sequence[Panel]) -> bytes:
  """A PNG; names are never read as formulas."""
  import matplotlib
  import matplotlib.figure

  columns = min(len(panels), _COLUMNS)
  rows = math.ceil(len(panels) / columns)
  file = io.BytesIO()
  with matplotlib.rc_context({'text.parse_math': False}):
    figure = matplotlib.figure.Figure(
        figsize=(5.5 * columns, 4 * rows), layout='constrained'
    )
    for place, panel in enumerate(panels, 1):
      axes = figure.add_subplot(rows, columns, place)
      ticks = sorted({x for points in panel.curves.values() for x in points})
      if panel.spaces_evenly:
        axes.set_xticks(range(len(ticks)), map(str, ticks))
      for name, points in panel.curves.items():
        places = list(points)
        if panel.spaces_evenly:
          places = [ticks.index(x) for x in points]
        values, low, high = zip(*points.values())
        style = {'linestyle': '--' if name in panel.dashed else '-'}
        if panel.spaces_evenly:
          style['marker'] = 'o'
        line, = axes.plot(places, values, label=name, **style)
        if None not in low:
          axes.fill_between(
              places, low, high, color=line.get_color(), alpha=0.12
          )
      axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
      axes.spines[['top', 'right']].set_visible(False)
      axes.legend(frameon=False, fontsize='small')
    figure.savefig(file, format='png', dpi=150)
  return file.getvalue()

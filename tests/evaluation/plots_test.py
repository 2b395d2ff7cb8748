# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What a plot shows."""

import io

import matplotlib.figure
import PIL.Image

from flamingo_jax.evaluation import plots

CURVES = {
    'plain': {
        0: (50.0, 48.0, 54.0), 4: (75.0, 70.0, 79.0), 16: (90.0, 88.0, 94.0)
    },
    '$x^ <b>': {4: (48.0, None, None)},
}


def draw(monkeypatch, *panels):
  """The axes that were drawn."""
  drawn = []
  save = matplotlib.figure.Figure.savefig
  monkeypatch.setattr(
      matplotlib.figure.Figure, 'savefig',
      lambda self, *args, **more: drawn.append(self) or save(
          self, *args, **more
      ),
  )
  picture = PIL.Image.open(io.BytesIO(plots.draw(panels)))
  assert picture.format == 'PNG'
  return drawn[0].axes


def test_places_that_double_are_evenly_spaced_and_intervals_shaded(monkeypatch):
  (axes,) = draw(
      monkeypatch, plots.Panel('bind', 'shots', 'top1', CURVES, ['$x^ <b>'])
  )
  assert (axes.get_title(), axes.get_ylabel()) == ('bind', 'top1')
  assert [line.get_label() for line in axes.lines] == list(CURVES)
  assert [x.get_text() for x in axes.get_xticklabels()] == ['0', '4', '16']
  plain, other = axes.lines
  assert plain.get_xydata().tolist() == [[0, 50], [1, 75], [2, 90]]
  assert other.get_xydata().tolist() == [[1, 48]]
  assert plain.get_linestyle() != other.get_linestyle()
  assert len(axes.collections) == 1


def test_steps_are_where_they_are(monkeypatch):
  panel = plots.Panel('', 'step', 'nats', CURVES, spaces_evenly=False)
  for axes in draw(monkeypatch, panel, panel, panel):
    assert axes.lines[0].get_xydata().tolist() == [[0, 50], [4, 75], [16, 90]]

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The report of the quickstart."""

import json

from launch import quickstart


def test_curves_are_the_values_of_each_metric_with_the_prefix(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  rows = [
      {'step': 20, 'loss': 3.0, 'loss/pairs': 2.0, 'gate/attn/00': 0.0},
      {'step': 40, 'loss': 2.0, 'loss/pairs': 1.5, 'loss/video': 4.0},
  ]
  path.write_text('\n'.join(map(json.dumps, rows)), encoding='utf-8')
  curves = quickstart.read_curves(path, 'loss/')
  assert {
      name: [(step, value) for step, (value, _, _) in points.items()]
      for name, points in curves.items()
  } == {'loss/pairs': [(20, 2.0), (40, 1.5)], 'loss/video': [(40, 4.0)]}


def test_the_table_has_both_models_side_by_side():
  key = 'shapes_bind_2way', '', 'top1'
  ours = {key: {0: (50.0, 45.0, 55.0), 8: (93.4, 92.0, 95.0)},
          ('shapes_bind_2way', 'majority', 'top1'): {8: (58.0, None, None)}}
  page = quickstart.render(
      ours, {key: {8: (97.6, 96.0, 98.0)}}, shots_plot='', episodes=[],
      captions=[], losses='', gates='',
  )
  assert '<th>0 shots<th>8 shots' in page
  assert '<td>50 ±5 <i></i><td>93 ±2 <i>98 ±1</i>' in page
  assert '0 shots: 50 %, 8 shots: 93 %.' in page
  assert '<th><td>majority<td> <i></i><td>58 <i></i>' in page
  assert 'Beside the score: majority, the answer that most shots have.' in page

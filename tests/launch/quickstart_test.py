# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The report of the quickstart."""

import json
import re

from launch import quickstart


def test_curves_are_the_points_of_each_metric_with_the_prefix(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  rows = [
      {'step': 20, 'loss': 3.0, 'loss/pairs': 2.0, 'gate/attn/00': 0.0},
      {'step': 40, 'loss': 2.0, 'loss/pairs': 1.5, 'loss/video': 4.0},
  ]
  path.write_text('\n'.join(map(json.dumps, rows)), encoding='utf-8')
  assert quickstart.read_curves(path, 'loss/') == {
      'loss/pairs': [(20, 2.0), (40, 1.5)], 'loss/video': [(40, 4.0)]}


def test_plots_show_what_they_are_given():
  steep = quickstart.plot({'loss': [(1, 3.0), (2, 1.0)]}, 'nats')
  flat = quickstart.plot({'loss': [(1, 3.0), (2, 2.9)]}, 'nats')
  path = lambda svg: re.search('<path d="(M [^"]+)" clip-path', svg)[1]
  assert path(steep) == path(steep) and steep.startswith('<svg')
  ticks = lambda svg: re.findall('<!-- ([0-9.]+) -->', svg)
  assert ticks(steep) != ticks(flat)


def test_the_table_has_both_models_side_by_side():
  key = 'shapes_bind_2way', 'shuffled', 'top1'
  ours = {key: {0: (50.0, 45.0, 55.0), 8: (93.4, 92.0, 95.0)}}
  page = quickstart.table(ours, {key: {8: (97.6, 96.0, 98.0)}})
  assert '<th>8 shots</th>' in page
  assert '<td>93 ±2 <i>98 ±1</i></td>' in page
  assert '<td>50 ±5 <i></i></td>' in page and 'shuffled' in page

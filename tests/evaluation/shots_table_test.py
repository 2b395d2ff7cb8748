# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores over shots as a table, a CSV and a plot."""

import csv

from etils import epath
import pytest

from flamingo_jax.evaluation import shots_table


def top1(score):
  return {'top1': score, 'top1_low': score - 2, 'top1_high': score + 4}


BASELINES = {
    'top1_majority': 30.0, 'top1_last': 20.0, 'top1_copied': 99.0,
    'top1_shown': 100.0,
}
SCORES = {
    'bind_2way_16shot': top1(90.0),
    'bind_2way_0shot': top1(50.0),
    'bind_2way_0shot_blank': top1(49.0),
    'bind_2way_4shot': top1(75.0) | BASELINES,
    'bind_2way_4shot_blank': top1(48.0) | BASELINES,
    'caption_0shot': {'cider': 0.1234},
    'caption_4shot': {'cider': 0.5},
    'colour_4shot': top1(30.0),
    'rest': {'accuracy': 1.0},
}


@pytest.fixture
def curves():
  return shots_table.read_curves(SCORES)


def test_a_curve_is_a_task_a_control_and_a_metric_over_shots(curves):
  assert curves == {
      ('bind_2way', '', 'top1'): {
          0: (50.0, 48.0, 54.0), 4: (75.0, 73.0, 79.0), 16: (90.0, 88.0, 94.0)
      },
      **{('bind_2way', name.removeprefix('top1_'), 'top1'): {
          4: (value, None, None)} for name, value in BASELINES.items()},
      ('bind_2way', 'blank', 'top1'): {
          0: (49.0, 47.0, 53.0), 4: (48.0, 46.0, 52.0)
      },
      ('caption', '', 'cider'): {0: (0.1234, None, None), 4: (0.5, None, None)},
  }
  for points in curves.values():
    assert list(points) == sorted(points)


def test_a_metric_of_such_a_name_alone_is_no_interval():
  curves = shots_table.read_curves({
      'a_0shot': {'error_low': 1.0}, 'a_1shot': {'error_low': 2.0}
  })
  assert curves == {
      ('a', '', 'error_low'): {0: (1.0, None, None), 1: (2.0, None, None)}
  }


def test_the_table_leaves_cells_without_a_score_empty(curves):
  lines = shots_table.as_table(curves).splitlines()
  starts = [lines[0].index(name) for name in (
      'task', 'control', 'metric', '0 shots', '4 shots', '16 shots'
  )]
  cells = [
      [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None])]
      for line in lines[1:]
  ]
  assert cells == [
      ['bind_2way', '-', 'top1', '50.0 ±3.0', '75.0 ±3.0', '90.0 ±3.0'],
      ['bind_2way', 'majority', 'top1', '', '30.0', ''],
      ['bind_2way', 'last', 'top1', '', '20.0', ''],
      ['bind_2way', 'copied', 'top1', '', '99.0', ''],
      ['bind_2way', 'shown', 'top1', '', '100.0', ''],
      ['bind_2way', 'blank', 'top1', '49.0 ±3.0', '48.0 ±3.0', ''],
      ['caption', '-', 'cider', '0.123', '0.5', ''],
  ]


def test_the_csv_has_a_line_per_score(curves):
  rows = list(csv.DictReader(shots_table.as_csv(curves).splitlines()))
  assert len(rows) == 7 + 4
  assert rows[1] == {
      'task': 'bind_2way', 'control': '', 'metric': 'top1', 'shots': '4',
      'score': '75.0', 'low': '73.0', 'high': '79.0',
  }
  assert rows[7]['control'] == rows[8]['control'] == 'blank'
  assert (rows[9]['score'], rows[9]['low'], rows[9]['high']) == (
      '0.1234', '', ''
  )


def test_the_plot_has_a_panel_per_metric_and_a_curve_per_control(curves):
  bind, caption = shots_table.panels(curves)
  assert (bind.title, bind.y) == ('bind_2way', 'top1')
  assert bind.curves == {
      'paired shots': curves['bind_2way', '', 'top1'],
      'majority': {4: (30.0, None, None)}, 'last': {4: (20.0, None, None)},
      'blank': curves['bind_2way', 'blank', 'top1'],
  }
  assert bind.dashed == ['majority', 'last', 'blank'] and not caption.dashed


def test_tasks_of_one_number_of_shots_are_left_to_others(tmp_path, capsys):
  rest = shots_table.report(SCORES, epath.Path(tmp_path))
  assert set(rest) == {'colour_4shot', 'rest'}
  assert 'caption' in capsys.readouterr().out
  assert {path.name for path in tmp_path.iterdir()} == {
      'shots.csv', 'shots.png'
  }
  assert shots_table.report(rest, epath.Path(tmp_path / 'none')) == rest
  assert capsys.readouterr().out == ''
  assert not (tmp_path / 'none').exists()

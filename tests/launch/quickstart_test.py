# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The plots of the quickstart."""

import json

import numpy as np
from PIL import Image

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


def test_plots_show_what_they_are_given(tmp_path):
  steep, flat = tmp_path / 'steep.png', tmp_path / 'flat.png'
  quickstart.plot({'loss': [(1, 3.0), (2, 1.0)]}, 'nats', steep)
  quickstart.plot({'loss': [(1, 3.0), (2, 2.9)]}, 'nats', flat)
  assert not np.array_equal(Image.open(steep), Image.open(flat))

  pictures = tmp_path / 'captions.png'
  red, blue = np.zeros((2, 64, 64, 3), np.uint8)
  red[..., 0], blue[..., 2] = 200, 200
  quickstart.plot_captions([red, blue], ['one', 'two'], pictures)
  colours = {c for _, c in Image.open(pictures).convert('RGB').getcolors(1 << 20)}
  assert {(200, 0, 0), (0, 0, 200)} <= colours

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that come with the package score what their card says.

Episodes of no shots and of eight are notebook_test.py's.
"""

import math

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax.tasks import shapes_eval

COUNT = 60


@pytest.fixture(scope='module')
def model():
  return fj.load()


def near(percent: float) -> tuple[float, float]:
  """Shares within three standard errors of so few examples, and one of them."""
  share = percent / 100
  error = 3 * math.sqrt(max(share * (1 - share), 0.01) / COUNT) + 1 / COUNT
  return share - error, share + error


@pytest.mark.parametrize('split, percent', [  # docs/model_card.md
    ('validation', 100.0), ('held_out', 93.3),
])
def test_captions_name_what_new_pictures_show(model, split, percent):
  samples = shapes_eval.ShapesSamples(
      'shapes_caption', split, COUNT, shapes_eval.draw_caption
  )
  found = [samples[i] for i in range(COUNT)]
  said = model.generate([list(sample.media) for sample in found],
                        max_new_tokens=8)
  plain = lambda text: text.strip(' .')
  hits = [
      plain(text) == plain(s.answers[0]) for text, s in zip(said, found)
  ]
  low, high = near(percent)
  assert low <= np.mean(hits) <= high

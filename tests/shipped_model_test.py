# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that come with the package score what their card says."""

import json
import math
import pathlib

import numpy as np
import pytest

import flamingo_jax as fj
from flamingo_jax import shipped
from flamingo_jax.evaluation import prompts
from flamingo_jax.tasks import shapes_bind
from flamingo_jax.tasks import shapes_eval

COUNT = 60


@pytest.fixture(scope='module')
def model():
  return fj.load()


@pytest.fixture(scope='module')
def card():
  """{task: percent} as they were measured when the weights were made."""
  path = pathlib.Path(shipped.shipped_weights(), 'results.json')
  scores = json.loads(path.read_text(encoding='utf-8'))['scores']
  return {task: values['top1'] for task, values in scores.items()}


def is_near(found: float, percent: float) -> bool:
  """Within three standard errors of so few examples, and one of them."""
  share = percent / 100
  error = math.sqrt(max(share * (1 - share), 0.01) / COUNT)
  return abs(found - share) <= 3 * error + 1 / COUNT


@pytest.mark.parametrize('shots, control', [
    (0, ''), (8, ''),
])
def test_episodes_score_as_in_the_card(model, card, shots, control):
  episodes = shapes_bind.ShapesEpisodes(2, shots, 'validation', control)
  hits = []
  for i in range(COUNT):
    query = episodes[i].query
    scores = model.score(
        prompts.join(episodes[i].supports, query), list(query.candidates)
    )
    hits.append(query.candidates[int(scores.argmax())] in query.answers)
  name = f'shapes_bind_2way_{shots}shot' + (f'_{control}' if control else '')
  assert is_near(np.mean(hits), card[name])


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
  assert is_near(np.mean(hits), percent)

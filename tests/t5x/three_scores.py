# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A task of each kind to score: open-ended, close-ended, and episodes."""

import functools

from flamingo_jax.data import features
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import tasks
from flamingo_jax.tasks import shapes_bind
from flamingo_jax.tasks import shapes_eval
from flamingo_jax.tasks import shapes_world
from tests.t5x import two_tasks  # has the vision encoder, and says why

assert two_tasks
TASKS = ('questions', 'colours', 'pictured_words')


def samples(task, draw):
  """(queries, supports)."""
  make = functools.partial(shapes_eval.ShapesSamples, task, draw=draw)
  return (
      {'validation': functools.partial(make, 'validation', 40)},
      functools.partial(make, 'train', 40),
  )


tasks.add_open_ended_task(
    'questions', *samples('questions', shapes_eval.draw_question), shots=0,
    metric_fns=(metrics.TOP1.seqio_function(),),
)
tasks.add_close_ended_task(
    'colours', *samples('colours', shapes_eval.draw_colour),
    tuple(shapes_world.COLOURS), shots=4,
)
tasks.add_episode_task(
    'pictured_words',
    {
        'validation': functools.partial(
            shapes_bind.ShapesEpisodes, 2, 2, 'validation', ''
        )
    },
    candidates=2, limits={'tokens': 24, 'media': 3},
)
features.add_mixture('three_scores', dict.fromkeys(TASKS, 1.0))

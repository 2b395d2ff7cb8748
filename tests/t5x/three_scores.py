# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""A task of each kind to score: open-ended, close-ended, and episodes."""

import functools

from flamingo_jax.data import features
from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation import tasks
from tasks import shapes_eval
from tasks import shapes_vocabulary
from tasks import tiny
from tests.t5x import two_tasks  # has the vision encoder

assert tiny and two_tasks
TASKS = ('few_questions', 'shapes_colour_4shot', 'shapes_bind_2way_2shot')
_samples = functools.partial(
    shapes_eval.ShapesSamples, 'shapes_vqa', draw=shapes_eval.draw_question
)
tasks.add_open_ended_task(
    'few_questions',
    {'validation': functools.partial(_samples, 'validation', 40)},
    functools.partial(_samples, 'train', 40),
    shots=0, metric_fns=(metrics.TOP1.seqio_function(),),
    vocabulary=shapes_vocabulary.shapes_vocabulary,
)
features.add_mixture('three_scores', dict.fromkeys(TASKS, 1.0))

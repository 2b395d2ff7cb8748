# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The best step of a run is that of the metric that was asked for."""

import pytest
import seqio

from flamingo_jax.errors import UserError
from flamingo_jax.evaluation.best_logger import BestLogger
from flamingo_jax.run_dir.best import best_step
from flamingo_jax.tasks import shapes_names

assert shapes_names  # registers tasks
MIXTURE = 'shapes_names_eval'


def log(logger, task, **scores):
  """`scores` are of steps, as s10=3.0."""
  for step, score in scores.items():
    metrics = {
        'top1': seqio.metrics.Scalar(score),
        'nats_per_token': seqio.metrics.Scalar(score),
        'other': seqio.metrics.Scalar(-score),
    }
    logger(task, int(step[1:]), metrics, None, {}, [])


@pytest.mark.parametrize('metric, best, left', [
    ('top1', 20, 30), ('nats_per_token', 10, 10)
])
def test_the_best_step_is_that_of_the_metric(
    tmp_path, capsys, metric, best, left
):
  task = 'shapes_names_0shot'
  logger = BestLogger(tmp_path / 'inference_eval', f'{task}/{metric}', MIXTURE)
  log(logger, task, s10=2.0, s20=5.0, s30=5.0)
  log(logger, 'shapes_names_4shot', s10=9.0, s20=0.0)
  told = capsys.readouterr().err
  assert f'where step {best} had' in told.splitlines()[-1]
  assert best_step(tmp_path, [10, 20, 30]) == best  # the first of equals
  assert best_step(tmp_path, [10, 30]) == left  # of those that are still there
  assert best_step(tmp_path, [40]) is None
  # A run that goes on behind step 10 does not know what comes.
  log(logger, task, s11=3.0)
  assert best_step(tmp_path, [10, 20, 30]) == 10


def test_a_metric_that_is_none_is_one_sentence(tmp_path):
  folder = tmp_path / 'inference_eval'
  for metric in ('top1', 'shapes_vqa_0shot/top1'):
    with pytest.raises(UserError, match='the tasks that are evaluated are shapes_'):
      BestLogger(folder, metric, MIXTURE)
  logger = BestLogger(folder, 'shapes_names_0shot/cider', MIXTURE)
  with pytest.raises(UserError, match='are nats_per_token, other, top1'):
    log(logger, 'shapes_names_0shot', s10=1.0)
  log(BestLogger(folder, '', MIXTURE), 'shapes_names_0shot', s10=1.0)
  assert best_step(tmp_path, [10]) is None

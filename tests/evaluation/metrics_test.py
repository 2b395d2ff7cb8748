# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics on cases worked by hand."""

import numpy as np
import pytest
import seqio

from flamingo_jax.evaluation import metrics
from flamingo_jax.evaluation.prompts import Sample
from flamingo_jax.evaluation import tasks


def targets(*answers):
  return [{'answers': list(a)} for a in answers]


def test_exact_match_takes_any_answer():
  found = metrics.exact_match(
      targets(['red'], ['two', '2'], ['a cat'], ['']),
      ['red', '2', 'cat', ''],
  )
  assert found == {'exact_match': 0.75}


def test_word_accuracy_by_place():
  found = metrics.word_accuracy(
      targets(['a red ring'], ['a blue big star', 'a ring'], ['cat']),
      ['a blue ring', 'a blue', ''],
  )
  # Words in place: 2 of 3, 2 of 4, 0 of 1.
  assert found == {
      'word_accuracy': 4 / 8, 'word_accuracy/1': 2 / 3,
      'word_accuracy/2': 1 / 2, 'word_accuracy/3': 1 / 2,
      'word_accuracy/4': 0.0,
  }


def test_ranking_accuracy_is_over_queries():
  rows = [(-3.0, -1.0, -2.0), (-1.0, -2.0, -3.0), (-9.0, -8.0, -7.0)]
  right = [(0, 1, 0), (0, 1, 1), (0, 1, 1)]
  cells = [
      {'candidates': 3, 'is_correct': bool(x)} for row in right for x in row
  ]
  found = metrics.ranking_accuracy(cells, np.ravel(rows).tolist())
  assert found == {'ranking_accuracy': pytest.approx(2 / 3)}


def test_seqio_tells_predictions_from_scores():
  name = 'metrics_test'
  sample = Sample((), 'Q:', ('a',), 's', 0)
  task = tasks.add_open_ended_task(
      name, {'test': lambda: [sample]}, lambda: [sample], shots=0,
      metric_fns=(metrics.exact_match, metrics.word_accuracy),
  )
  assert len(task.predict_metric_fns) == 2 and not task.score_metric_fns
  task = tasks.add_close_ended_task(
      name, {'test': lambda: [sample]}, lambda: [sample], ['a', 'b'], shots=0
  )
  assert len(task.score_metric_fns) == 1 and not task.predict_metric_fns
  seqio.TaskRegistry.remove(name)

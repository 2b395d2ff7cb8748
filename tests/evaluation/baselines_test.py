# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What shots alone would score stands beside what a model scores."""

import collections

import numpy as np
import pytest

from flamingo_jax.evaluation import baselines
from flamingo_jax.evaluation import fewshot
from flamingo_jax.evaluation import paper_benchmarks
from flamingo_jax.evaluation import prompts
from flamingo_jax.evaluation import report
from flamingo_jax.evaluation.fewshot import Settings
from tests.evaluation.answerers import Oracle, evaluate


def said_of_shots(prompt):
  texts = [part for part in prompt[:-1] if isinstance(part, str)]
  return texts[1::2]


class Majority(Oracle):
  """Looks at no query: says what most shots say, of several the last."""

  def generate(self, asked, *, prefix, **options):
    del options
    return [self.most(said_of_shots([*prefix, *prompt])) for prompt in asked]

  def score(self, asked, candidates, *, prefix, **options):
    del options
    chosen = [self.most(said_of_shots([*prefix, *prompt])) for prompt in asked]
    return np.array([[c == answer for c in candidates] for answer in chosen], float)

  def most(self, answers):
    counts = collections.Counter(reversed(answers))
    return counts.most_common(1)[0][0]


class Last(Majority):
  """Says what the last shot says."""

  def most(self, answers):
    return answers[-1]


@pytest.mark.parametrize('name', ['vqav2', 'hateful_memes'])
@pytest.mark.parametrize('model', [Majority, Last])
def test_a_model_that_looks_at_shots_alone_scores_what_they_do(
    data, tmp_path, name, model
):
  card, _ = evaluate(data, tmp_path, name=name, shots=4, model=model)
  found = card['baselines']
  assert found[model.__name__.lower()] == pytest.approx(
      {metric: told['score'] for metric, told in card['scores'].items()}
  )
  assert found['copied'] == 100
  right, _ = evaluate(data, tmp_path / 'right', name=name, shots=4)
  assert right['baselines']['majority'] == found['majority']
  assert 0 < right['baselines']['shown'] <= 100
  assert right['baselines']['copied'] <= right['baselines']['shown']


def test_the_nearest_shot_is_told_where_shots_are_the_most_similar(
    data, tmp_path
):
  card, _ = evaluate(data, tmp_path, shots=2, rices=True)
  rows = report.summarise([card])
  assert rows[0]['last'] is None
  assert rows[0]['nearest'] == card['baselines']['nearest'][rows[0]['metric']]
  assert "nearest: the most similar shot's answer" in report.table_of_scores(rows)


def test_without_shots_there_is_nothing_to_copy(data, tmp_path):
  card, _ = evaluate(data, tmp_path, shots=0)
  assert card['baselines'] == {}
  assert 'beside the score' not in report.table_of_scores(report.summarise([card]))


def test_a_seqio_task_tells_what_a_card_tells(data, tmp_path):
  card, _ = evaluate(data, tmp_path, 'hateful_memes', shots=4)
  row = paper_benchmarks.find('hateful_memes')
  settings = Settings('hateful_memes', 'test_seen', 4)
  found = fewshot.read_queries(row, data, settings, False)
  targets, scores = [], []
  for query in found.queries:
    shots = prompts.make_shots(query, found.pool, 4, 0, False)
    for text in query.candidates:
      targets.append({
          'answers': query.answers, 'record': query.record, 'candidate': text,
          'candidates': 2, 'labels': [shot.answers[0] for shot in shots],
      })
      scores.append(-5 + float(text in query.answers))
  told = row.metrics[0].seqio_function()(targets, scores)
  for name, value in card['baselines'].items():
    value = value['roc_auc'] if isinstance(value, dict) else value
    assert told[f'roc_auc_{name}'] == pytest.approx(value)
  assert told['roc_auc'] == 100 and len(told) == 3 + len(baselines.NAMES)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/tutorial.ipynb runs, and shows what its text and the model's card say."""

import json
import os
import pathlib
import sys

import nbclient
import nbformat

from flamingo_jax import shipped
from tests import shipped_model_test
from tests.xla_flags import QUICK

NOTEBOOK = pathlib.Path(__file__).parents[1] / 'docs/tutorial.ipynb'
CLAIMS = '''
assert over_shots[0] < 0.7 and over_shots[8] > 0.9, over_shots
for shots, (low, high) in CARD.items():
  assert low <= over_shots[shots] <= high, (shots, over_shots, CARD)
assert 0.3 < shuffled < 0.7, shuffled
# Of the same 60 episodes, what the shots alone score: the model beats both, and
# with shuffled labels neither, by three standard errors.
from flamingo_jax.evaluation import baselines, metrics
asked = [shapes_bind.ShapesEpisodes(2, 8, 'validation')[i] for i in range(60)]
beside = baselines.score(
    [metrics.RANKING_TOP1],
    [{'answers': e.query.answers, 'candidates': e.query.candidates} for e in asked],
    [[shot.answers[0] for shot in e.supports] for e in asked],
    np.zeros((60, 2)),
)
for alone in (beside[name]['top1'] / 100 for name in ('majority', 'last')):
  assert over_shots[8] > alone + 0.27 and shuffled < alone + 0.27, beside
assert losses[20] < losses[10] < losses[5], losses
assert sees.sum(0).min() > 0 and sees.sum(1).max() == 1
'''


def card():
  """{shots: shares that are near the percent that were measured}."""
  path = pathlib.Path(shipped.shipped_weights(), 'results.json')
  scores = json.loads(path.read_text(encoding='utf-8'))['scores']
  return {
      shots: shipped_model_test.near(
          scores[f'shapes_bind_2way_{shots}shot']['top1']
      )
      for shots in (0, 2, 8)
  }


def test_the_tutorial(tmp_path, monkeypatch):
  monkeypatch.setenv(
      'PATH', f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'
  )
  monkeypatch.setenv('XLA_FLAGS', QUICK)  # one device
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  assert all(
      cell.execution_count for cell in notebook.cells
      if cell.cell_type == 'code'
  ), 'it is committed as it was executed'
  claims = f'CARD = {card()}\n{CLAIMS}'
  notebook.cells.append(nbformat.v4.new_code_cell(claims))
  nbclient.NotebookClient(
      notebook, timeout=300, resources={'metadata': {'path': str(tmp_path)}}
  ).execute()

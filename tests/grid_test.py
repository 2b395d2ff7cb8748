# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo grid`, without training."""

import json
import pathlib

from etils import epath
import pytest

from flamingo_jax import cli
from flamingo_jax import grid
from flamingo_jax import series
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import steps
from flamingo_jax.run_dir.best import note_score
from tests import command_examples


class Stub:
  """Writes what `flamingo train` would: two steps, the first the better one."""

  def __init__(self, metric='own_data_held_out/top1'):
    self.calls = []
    self._metric = metric

  def __call__(self, arguments):
    command, *flags = arguments
    assert command == 'train'
    flags = dict(flag.lstrip('-').split('=', 1) for flag in flags)
    self.calls.append(flags)
    score = float(flags['gin.LEARNING_RATE']) * float(flags['gin.BATCH_SIZE'])
    for step in (1, 2):
      folder = pathlib.Path(flags['model_dir'], f'checkpoint_{step}')
      folder.mkdir(parents=True)
      if self._metric:
        sign = -1 if self._metric.endswith('token') else 1
        note_score(folder.parent, self._metric, step, score - step * sign / 10)


@pytest.fixture(autouse=True)
def folders_are_whole(monkeypatch):
  monkeypatch.setattr(
      steps.ocp.utils, 'is_checkpoint_finalized', lambda path: True
  )


def made(tmp_path, stub, flags=('--data=x',)):
  tried = {'LEARNING_RATE': ['1', '3'], 'BATCH_SIZE': ['8', '16']}
  return grid.Grid(epath.Path(tmp_path), flags, tried, stub)


@pytest.mark.parametrize('metric, order', [
    ('top1', [48, 24, 16, 8]), ('nats_per_token', [8, 16, 24, 48])
])
def test_the_best_of_all_combinations_is_first(tmp_path, metric, order):
  stub = Stub(f'own_data_held_out/{metric}')
  rows = grid.search(made(tmp_path, stub))
  assert [round(row['score']) for row in rows] == order
  assert all(row['step'] == 1 for row in rows)
  assert len(stub.calls) == 4 and all(call['data'] == 'x' for call in stub.calls)
  assert json.loads((tmp_path / 'grid.json').read_text()) == rows
  table = (tmp_path / 'grid.md').read_text().splitlines()
  assert table[0] == (
      f'| LEARNING_RATE | BATCH_SIZE | own_data_held_out/{metric} | step |'
  )
  assert table[-1] == f'Best: {rows[0]["checkpoint"]}'
  assert pathlib.Path(rows[0]['checkpoint']).is_dir()
  # What is finished is not run again, unless something else is asked for.
  assert grid.search(made(tmp_path, stub)) == rows and len(stub.calls) == 4
  with pytest.raises(UserError, match='holds another run.*--data=x, --data=y'):
    grid.search(made(tmp_path, stub, ('--data=y',)))


def test_runs_that_choose_no_step_cannot_be_compared(tmp_path):
  with pytest.raises(UserError, match='has no best.json.*finetune_own_data'):
    grid.search(made(tmp_path, Stub('')))


def test_the_program_knows_it(tmp_path, monkeypatch, capsys):
  stub = Stub()
  monkeypatch.setattr(series.subprocess, 'run', lambda arguments, check: (
      stub(arguments[4:]), type('Done', (), {'returncode': 0})
  )[1])
  assert cli.main(command_examples.arguments('grid', 0, {
      'runs/grid': tmp_path
  })) == 0
  assert capsys.readouterr().out == (tmp_path / 'grid.md').read_text()
  assert {call['gin.BATCH_SIZE'] for call in stub.calls} == {'8', '16'}
  assert all(
      call['gin.INITIAL_WEIGHTS'] == 'runs/own'
      and call['validation'] == 'held_out.jsonl' for call in stub.calls
  )
  with pytest.raises(SystemExit):
    cli.main(['grid', '--gin_file=x', '--out=x', '--try=LEARNING_RATE=1,1'])
  assert 'values that differ' in capsys.readouterr().err

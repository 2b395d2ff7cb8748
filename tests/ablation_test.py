# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""`flamingo ablate`, without training."""

import dataclasses
import json
import pathlib

from etils import epath
import pytest

import flamingo_jax
from flamingo_jax import ablation
from flamingo_jax import cli
from flamingo_jax import series
from flamingo_jax.data import pipeline
from flamingo_jax.data.owner import owned
from flamingo_jax.errors import UserError
from flamingo_jax.tasks import tiny
from tests import command_examples

assert tiny  # registers the mixtures
ROOT = pathlib.Path(__file__).parents[1]


class Stub:
  """Writes what `flamingo train` and `flamingo eval` would."""

  def __init__(self):
    self.calls = []

  def __call__(self, arguments):
    command, *flags = arguments
    self.calls.append(arguments)
    flags = dict(flag.lstrip('-').split('=', 1) for flag in flags)
    folder = pathlib.Path(flags['model_dir'])
    folder.mkdir(parents=True, exist_ok=True)
    if command == 'train':
      (folder / f'checkpoint_{flags.get("steps", 1)}').mkdir()
    else:
      out = pathlib.Path(flags['out'])
      out.mkdir(parents=True)
      score = 80.0 if folder.parent.name == 'base' else 70.0
      score += int(folder.name.removeprefix('seed_'))
      (step,) = (p.name[11:] for p in folder.glob('checkpoint_*'))
      (out / 'results.json').write_text(json.dumps({
          'step': int(step), 'scores': {
              'shapes_bind_2way_4shot': {'top1': score, 'top1_low': 1.0},
              'shapes_vqa_4shot': {'top1': score + 2},
          },
      }))


@pytest.fixture
def stub():
  return Stub()


def runs(tmp_path, stub, **options):
  return ablation.Ablating(
      epath.Path(tmp_path), 3, 5, flamingo=stub, **options
  )


def test_the_table_has_our_differences_beside_the_papers(tmp_path, stub):
  names = ['no_gate', 'merged']
  rows = ablation.ablate(names, [0, 1], runs(tmp_path, stub))
  assert [row['name'] for row in rows] == ['base', *names]
  assert [row['overall'] for row in rows] == [81.5, 71.5, 71.5]
  assert [row['difference'] for row in rows] == [0, -10, -10]
  assert [row['paper difference'] for row in rows] == [0, -4.2, None]
  table = (tmp_path / 'ablations.md').read_text()
  assert ('| `no_gate` | no tanh gate | 71.5 | 71.0, 72.0 | -10.0 | -4.2 |'
          in table.splitlines())
  record = json.loads((tmp_path / 'ablations.json').read_text())
  assert record['rows'] == rows and 'tables 3 and 10' in record[
      'source of paper'
  ]


def test_what_is_finished_is_not_run_again(tmp_path, stub):
  ablation.ablate(['no_gate'], [0], runs(tmp_path, stub))
  assert len(stub.calls) == 4
  ablation.ablate(['no_gate'], [0, 1], runs(tmp_path, stub))
  assert len(stub.calls) == 8
  # An evaluation that was interrupted needs no training.
  (tmp_path / 'no_gate/seed_1/eval_5/results.json').unlink()
  (tmp_path / 'no_gate/seed_1/eval_5').rmdir()
  ablation.ablate(['no_gate'], [0, 1], runs(tmp_path, stub))
  assert [call[0] for call in stub.calls[8:]] == ['eval']


@pytest.mark.parametrize('change, told', [
    ({'bindings': ('--gin.SIZE=9',)}, '--gin.SIZE=9'),
    ({'steps': 4}, '--steps=3, --steps=4'),
])
def test_what_is_finished_is_of_the_same_flags(tmp_path, stub, change, told):
  ablation.ablate(['no_gate'], [0], runs(tmp_path, stub))
  other = dataclasses.replace(runs(tmp_path, stub), **change)
  with pytest.raises(UserError) as error:
    ablation.ablate(['no_gate'], [0], other)
  assert str(error.value) == (
      f'{tmp_path}/base/seed_0 holds another run, which differs in {told}: '
      'remove it, or name another --out'
  )
  assert len(stub.calls) == 4


def test_what_is_finished_is_of_this_version(tmp_path, stub, monkeypatch):
  ablation.ablate(['vit'], [0], runs(tmp_path, stub))
  monkeypatch.setattr(flamingo_jax, '__version__', '9')
  with pytest.raises(UserError, match='flamingo_jax==9'):
    ablation.ablate([], [0], runs(tmp_path, stub))


def test_a_folder_of_ablations_is_of_one_program_at_a_time(tmp_path, stub):
  with owned(tmp_path), pytest.raises(UserError, match='another process'):
    ablation.ablate([], [0], runs(tmp_path, stub))
  assert not stub.calls


def test_runs_are_scored_with_four_shots(tmp_path, stub):
  ablation.ablate(['no_gate'], [0], runs(tmp_path, stub))
  for call in stub.calls:
    if call[0] == 'eval':
      (mixture,) = (
          flag.split('=')[1] for flag in call if 'MIXTURE_OR_TASK' in flag
      )
      names = [task.name for task in pipeline.mixture_tasks(mixture)]
      assert len(names) == 6 and all(n.endswith('_4shot') for n in names)


def test_another_vision_encoder_is_trained_first_and_once(tmp_path, stub):
  ablation.ablate(['vit'], [0, 1], runs(tmp_path, stub))
  tower, = (c for c in stub.calls if 'configs/contrastive' in c[1])
  assert '--gin.VARIANT=contrastive_tiny_vit' in tower
  users = [
      c for c in stub.calls
      if f'--gin.VISION_ENCODER={tmp_path}/towers/contrastive_tiny_vit' in c
  ]
  assert len(users) == 2
  given = runs(tmp_path / 'x', stub, bindings=('--gin.VISION_ENCODER=',))
  stub.calls.clear()
  ablation.ablate(['vit'], [0], given)
  assert not any('towers' in flag for call in stub.calls for flag in call)


def test_runs_of_a_seed_share_what_the_vision_encoder_makes_of_pictures(
    tmp_path, stub
):
  names = ['no_gate', 'vit', 'vision_trained']
  ablation.ablate(names, [0, 1], runs(tmp_path, stub, cache_media=True))
  folders = [
      ('--gin.variant.ablation=\'no_gate\'' in call, flag.split('/')[-1])
      for call in stub.calls
      for flag in call if flag.startswith(f'--cache_media={tmp_path}/media/')
  ]
  assert folders == [
      (ablated, seed) for ablated in (False, True)
      for seed in ('seed_0', 'seed_1')
  ]
  stub.calls.clear()
  ablation.ablate(['no_gate'], [0], runs(tmp_path / 'x', stub))
  assert not any('cache_media' in flag for call in stub.calls for flag in call)


def test_round_robin_has_as_many_gradients(tmp_path, stub):
  ablation.ablate(['round_robin'], [0], runs(tmp_path, stub))
  assert '--steps=15' in stub.calls[2]


def test_bad_input_is_one_sentence(tmp_path, stub):
  with pytest.raises(UserError, match="unknown ablation 'no_gates'"):
    ablation.ablate(['no_gates'], [0], runs(tmp_path, stub))
  assert not stub.calls


def test_a_run_that_fails_ends_it(monkeypatch):
  monkeypatch.chdir(ROOT)
  with pytest.raises(UserError, match='ended with status 2'):
    series.call_flamingo(['generate', '--nothing'])


def test_the_program_knows_it(tmp_path, stub, capsys):
  # Where all is finished, the program tells the scores and runs nothing.
  finished = dataclasses.replace(runs(tmp_path, stub), steps=400, examples=200)
  ablation.ablate(['no_gate', 'every_2nd'], [0, 1], finished)
  assert cli.main(command_examples.arguments('ablate', 0, {
      'DIR': tmp_path
  })) == 0
  assert capsys.readouterr().out == (tmp_path / 'ablations.md').read_text()
  with pytest.raises(SystemExit):
    cli.main(['ablate', '--out=x'])
  assert '--runs' in capsys.readouterr().err

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The files of configs/ablations, and `flamingo ablate` without training."""

import json
import pathlib
import sys

from etils import epath
import gin
import jax
import jax.numpy as jnp
import pytest

from flamingo_jax import ablation
from flamingo_jax import cli
from flamingo_jax import gin_config
from flamingo_jax.data import pipeline
from flamingo_jax.errors import UserError
from flamingo_jax.models import variants
from flamingo_jax.models.plain_resamplers import make_resampler
from flamingo_jax.tasks import tiny

assert tiny  # registers the mixtures
ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(path.stem for path in ROOT.glob('configs/ablations/*.gin'))
PAPER = variants.get('flamingo_tiny')


def train(*, model, train_dataset_cfg, total_steps, **unused):
  """A driver that goes no further than to build its parts."""
  return model, train_dataset_cfg, total_steps


@pytest.fixture(autouse=True)
def this_is_main(monkeypatch):
  """Gin files import the driver from `__main__`: here it is this module."""
  monkeypatch.setitem(sys.modules, '__main__', sys.modules[__name__])
  gin.clear_config()
  yield
  gin.clear_config()


def build(name):
  gin.clear_config()
  configured = gin.configurable(train)
  gin_config.parse(
      [str(ROOT / ablation.gin_file(name))],
      ['MODEL_DIR=run', 'VISION_ENCODER=', 'LANGUAGE_MODEL='],
  )
  return gin_config.one_sentence(configured)


def test_there_is_a_file_for_each():
  assert FILES == sorted(ablation.ABLATIONS)


@pytest.mark.parametrize('name', FILES)
def test_a_file_changes_one_thing(name):
  text = (ROOT / ablation.gin_file(name)).read_text()
  assert f'--gin_file=configs/ablations/{name}.gin' in text.splitlines()[0]
  model, data, steps = build(name)
  _, base, base_steps = build(ablation.BASE)
  changed = {
      'architecture': model.config != PAPER,
      'mixture': data.mixture_or_task_name != base.mixture_or_task_name,
      'strategy': data.strategy != base.strategy,
  }
  assert sum(changed.values()) == 1, changed
  trained = model.config.trains_vision_encoder
  assert ablation.ABLATIONS[name].trains_vision == trained
  assert steps == base_steps * ablation.ABLATIONS[name].gradients
  # Each dataset has its lengths and the size of its batches.
  assert pipeline.dataset_batch_sizes(data).keys() == (
      pipeline.dataset_weights(data).keys()
  )


@pytest.mark.parametrize('name, without', [
    ('no_video', {'shapes_video'}),
    ('no_pairs', {'shapes_pairs'}),
    ('no_interleaved', {'shapes_bind', 'digits_bind', 'shapes_m3w'}),
])
def test_a_kind_of_data_is_left_out(name, without):
  weights = lambda name: pipeline.dataset_weights(build(name)[1])
  base = weights(ablation.BASE)
  assert weights(name) == {
      task: weight for task, weight in base.items() if task not in without
  }


def test_p_next_changes_what_pages_see_and_nothing_else():
  def index(name):
    (task,) = pipeline.mixture_tasks(name)
    dataset = task.get_dataset(
        {'tokens': 96, 'media': 5, 'image_size': 48}, 'train', seed=0
    )
    return [
        example['media_index'][example['tokens'] > 0].tolist()
        for example in dataset.take(8).as_numpy_iterator()
    ]
  # Text before the first picture sees none, or that; behind the last one none.
  looks_ahead = lambda seen: seen[0] == 1
  none, half, all_pages = (
      index(f'shapes_m3w{name}') for name in ('', '_half', '_next')
  )
  assert not any(map(looks_ahead, none)) and all(map(looks_ahead, all_pages))
  assert 0 < sum(map(looks_ahead, half)) < len(half)
  for seen in [*none, *half, *all_pages]:
    if looks_ahead(seen):
      assert seen[-1] == 0
    else:
      assert seen == sorted(seen) and seen[0] == 0 and seen[-1] > 0
  # Their batches are otherwise those of the base.
  base = build(ablation.BASE)[1]
  for name, pages in (('p_next_half', 'half'), ('p_next_1', 'next')):
    data = build(name)[1]
    for table in ('task_feature_lengths', 'batch_sizes'):
      assert getattr(data, table) == {
          f'{task}_{pages}' if task == 'shapes_m3w' else task: value
          for task, value in getattr(base, table).items()
      }


@pytest.mark.parametrize('name, low, high', [
    ('mlp_resampler', 0.98, 1.02),
    ('transformer_resampler', 0.98, 1.02),
    ('resampler_small', 0.4, 0.6),
    ('resampler_large', 1.6, 2.0),
])
def test_parameters_of_resamplers(name, low, high):
  def count(config):
    module = make_resampler(config.resampler, 'float32')
    shapes = jax.eval_shape(
        module.init, jax.random.key(0),
        jax.ShapeDtypeStruct((1, 1, 9, 256), jnp.float32),
        jax.ShapeDtypeStruct((1, 1), jnp.bool_),
    )
    return sum(x.size for x in jax.tree.leaves(shapes))
  assert low < count(build(name)[0].config) / count(PAPER) < high


@pytest.mark.parametrize('name, blocks', [
    ('base', 3), ('every_2nd', 2), ('every_4th', 1),
    ('single_in_the_middle', 1), ('vanilla_xattn', 3), ('grafting', 2),
])
def test_numbers_of_blocks(name, blocks):
  assert build(name)[0].config.decoder.blocks == blocks


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
      name = folder.parent.name
      config = PAPER if name in ('base', 'towers') else build(name)[0].config
      (folder / f'checkpoint_{flags.get("steps")}').mkdir()
      (folder / 'model.json').write_text(json.dumps(
          {'format': 1, 'architecture': config.to_dict()}
      ))
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
  assert tower[-1] == '--gin.VARIANT=contrastive_tiny_vit'
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
      (call[1].split('/')[-1], flag.split('/')[-1])
      for call in stub.calls
      for flag in call if flag.startswith(f'--cache_media={tmp_path}/media/')
  ]
  assert folders == [
      (name, seed) for name in ('flamingo_tiny.gin', 'no_gate.gin')
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
    ablation.call_flamingo(['generate', '--nothing'])


def test_the_program_knows_it(capsys):
  with pytest.raises(SystemExit):
    cli.main(['ablate', '--out=x'])
  assert '--runs' in capsys.readouterr().err

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every gin file of an evaluation parses and is what its macros say."""

import pathlib

import gin
import pytest

from flamingo_jax import gin_config
from flamingo_jax.data import pipeline
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.evaluation import seqio_scores
from flamingo_jax.evaluation.examples import FeatureConverter
from flamingo_jax.models import variants
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.shipped import shipped_weights
from flamingo_jax.tasks import shapes_vocabulary
from tests.evaluation import miniature
from tests.evaluation.miniature import views

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'
EVALUATIONS = sorted(path.name for path in CONFIGS.glob('eval_*.gin'))
INFERENCES = sorted(path.name for path in CONFIGS.glob('infer_*.gin'))

pytestmark = pytest.mark.usefixtures('this_is_main')


def evaluate(
    *, model, dataset_cfg, partitioner, restore_checkpoint_cfg, output_dir,
    **unused
):
  """A driver that does nothing, and tells what it would read and where."""
  assert model.config and partitioner.get_data_layout(dataset_cfg.batch_size)
  return dataset_cfg, output_dir


def infer(*, mode, checkpoint_period, shard_id, num_shards, **same):
  """As `evaluate`, with the arguments that t5x's infer has to be given."""
  assert (shard_id, num_shards) == (0, 1) and checkpoint_period and mode
  return evaluate(**same)


def train(*, infer_eval_dataset_cfg, inference_evaluator_cls, **unused):
  """As `evaluate`, of what is evaluated while it trains."""
  return infer_eval_dataset_cfg, inference_evaluator_cls


def run(driver, files, *bindings):
  configured = gin.configurable(driver)
  gin_config.parse([str(CONFIGS / file) for file in files], bindings)
  return gin_config.one_sentence(configured)


def datasets(cfg):
  return [
      task.get_dataset(cfg.task_feature_lengths, cfg.split)
      for task in pipeline.mixture_tasks(cfg.mixture_or_task_name)
  ]


@pytest.fixture(scope='module')
def largest():
  """cfg -> the largest shape of media, found once for equal data sets."""
  found = {}

  def of(cfg):
    key = cfg.mixture_or_task_name, str(cfg.task_feature_lengths), cfg.split
    if key not in found:
      found[key] = max(
          tuple(FeatureConverter()(dataset, {}).element_spec['media'].shape)
          for dataset in datasets(cfg)
      )
    return found[key]

  return of


@pytest.mark.parametrize('file, driver, name', [
    *((file, evaluate, 'eval') for file in EVALUATIONS),
    *((file, infer, 'infer') for file in INFERENCES),
])
def test_every_evaluation_is_configured(
    file, driver, name, largest, tmp_path
):
  variant, vocabulary = 'flamingo_tiny', shapes_vocabulary.shapes_vocabulary()
  if 'benchmark' in file:
    variant, vocabulary = 'flamingo_small', default_vocabulary()
  write_model_json(tmp_path, variants.get(variant), vocabulary, 5, 1)
  bindings = [f'MODEL_DIR={tmp_path}']
  if 'benchmark' in file:
    miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
    bindings.append(f'DATA_DIR={tmp_path}')
  cfg, output_dir = run(driver, [file], *bindings)
  assert output_dir == str(tmp_path / name)
  assert largest(cfg) == {
      'eval_benchmark.gin': (5, 1, 64, 64, 3),
      'eval_names.gin': (33, 1, 48, 48, 3),
      'eval_shapes_clips.gin': (5, 8, 48, 48, 3),
  }.get(file, (17, 1, 48, 48, 3))


@pytest.mark.parametrize('base, tasks, asked, count', [
    ('flamingo_tiny', 'shapes', 10, 10), ('own_data', 'benchmark', 40, 32)
])
def test_every_evaluation_while_training_is_read(
    base, tasks, asked, count, tmp_path
):
  bindings = [f'MODEL_DIR={tmp_path}', f'FEWSHOT_EXAMPLES={asked}']
  if tasks == 'benchmark':
    miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
    data = tmp_path / 'data.jsonl'
    views.write_picture(tmp_path / 'one.png', views.VIEWS[0])
    data.write_text('{"parts": [{"image": "one.png"}, {"text": "a word"}]}\n')
    bindings += [f'BENCHMARK_DIR={tmp_path}', f'DATA={data}']
  files = [f'{base}.gin', f'runs/fewshot_{tasks}.gin']
  cfg, make = run(train, files, *bindings)
  evaluators = [
      seqio_scores.make_evaluator(task, cfg, make, '')
      for task in seqio_scores.scored_tasks(cfg.mixture_or_task_name)
  ]
  found = [
      len(list(examples)) for evaluator in evaluators
      for examples in evaluator.cached_task_datasets.values()
  ]
  assert len(found) > 1 and set(found) == {count}


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
  """DATA with the videos of one benchmark."""
  folder = tmp_path_factory.mktemp('data')
  miniature.WRITERS['ivqa'](folder / 'ivqa')
  return folder


@pytest.mark.parametrize('driver, files, name', [
    (evaluate, ['eval_benchmark.gin'], ''),
    (infer, ['runs/infer.gin', 'mixtures/benchmark.gin'], ''),
    (train, ['flamingo_tiny.gin', 'runs/fewshot_benchmark.gin'], 'FEWSHOT_'),
])
@pytest.mark.parametrize('asked, frames, shown', [
    # A miniature's clips have three seconds.
    ((), 30, 9), (('FRAMES=4',), 4, 4), (('FRAMES=8', 'FPS=2'), 8, 6),
])
def test_videos_are_read_as_the_gin_file_says(
    driver, files, name, asked, frames, shown, clips
):
  folder = 'BENCHMARK_DIR' if driver is train else 'DATA_DIR'
  cfg, _ = run(
      driver, files, f'{folder}={str(clips)!r}', 'BENCHMARK="ivqa"',
      'SHOTS=(0,)', f'{name}SPLIT="test"', f'MODEL_DIR={shipped_weights()}',
      *(f'{name}{binding}' for binding in asked),
  )
  (dataset,) = datasets(cfg)
  mask = next(dataset.as_numpy_iterator())['media_mask']
  assert mask.shape[1] == frames and mask[0].sum() == shown

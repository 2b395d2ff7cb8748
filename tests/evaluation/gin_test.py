# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every gin file of an evaluation parses, builds, and lowers."""

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
from flamingo_jax.tasks import shapes_vocabulary
from tests.evaluation import miniature
from tests.evaluation.miniature import views

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'
EVALUATIONS = sorted(path.name for path in CONFIGS.glob('eval_*.gin'))
INFERENCES = sorted(path.name for path in CONFIGS.glob('infer_*.gin'))

pytestmark = pytest.mark.usefixtures('this_is_main')


def evaluate(*, model, dataset_cfg, partitioner, **unused):
  """A driver that says where answers would go, and of what shape media are."""
  assert {'output_dir', 'restore_checkpoint_cfg'} <= set(unused)
  assert model.config and partitioner.get_data_layout(dataset_cfg.batch_size)
  return unused['output_dir'], max(
      tuple(FeatureConverter()(
          task.get_dataset(dataset_cfg.task_feature_lengths, dataset_cfg.split),
          dataset_cfg.task_feature_lengths,
      ).element_spec['media'].shape)
      for task in pipeline.mixture_tasks(dataset_cfg.mixture_or_task_name)
  )


def infer(*, mode, checkpoint_period, shard_id, num_shards, **same):
  """As `evaluate`, with the arguments that t5x's infer has to be given."""
  assert (shard_id, num_shards) == (0, 1) and checkpoint_period and mode
  return evaluate(**same)


def run(driver, files, *bindings):
  configured = gin.configurable(driver)
  gin_config.parse([str(file) for file in files], bindings)
  return gin_config.one_sentence(configured)


@pytest.mark.parametrize('file, driver, name', [
    *((file, evaluate, 'eval') for file in EVALUATIONS),
    *((file, infer, 'infer') for file in INFERENCES),
])
def test_every_evaluation_is_configured(file, driver, name, tmp_path):
  variant, vocabulary = 'flamingo_tiny', shapes_vocabulary.shapes_vocabulary()
  if 'benchmark' in file:
    variant, vocabulary = 'flamingo_small', default_vocabulary()
  write_model_json(tmp_path, variants.get(variant), vocabulary, 5, 1)
  bindings = [f'MODEL_DIR={tmp_path}']
  if 'benchmark' in file:
    miniature.WRITERS['vqav2'](tmp_path / 'vqav2')
    bindings.append(f'DATA_DIR={tmp_path}')
  output_dir, media = run(driver, [CONFIGS / file], *bindings)
  assert output_dir == str(tmp_path / name)
  assert media == {
      'eval_benchmark.gin': (5, 1, 64, 64, 3),
      'eval_shapes_clips.gin': (5, 8, 48, 48, 3),
  }.get(file, (17, 1, 48, 48, 3))


def train(*, infer_eval_dataset_cfg, inference_evaluator_cls, **unused):
  """A driver that reads what is evaluated while it trains: {task: examples}."""
  del unused
  cfg = infer_eval_dataset_cfg
  evaluators = [
      seqio_scores.make_evaluator(task, cfg, inference_evaluator_cls, '')
      for task in seqio_scores.scored_tasks(cfg.mixture_or_task_name)
  ]
  return {
      name: len(list(examples)) for evaluator in evaluators
      for name, examples in evaluator.cached_task_datasets.items()
  }


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
  files = [CONFIGS / f'{base}.gin', CONFIGS / f'runs/fewshot_{tasks}.gin']
  found = run(train, files, *bindings)
  assert len(found) > 1 and set(found.values()) == {count}

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every gin file parses, builds, and its training step lowers."""

import functools
import json
import pathlib
import sys

import gin
import jax
from PIL import Image
import pytest

from flamingo_jax import gin_config
from flamingo_jax.data import pipeline
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.evaluation import inference
from flamingo_jax.evaluation.tasks import FeatureConverter
from flamingo_jax.training.train_step import abstract_params, abstract_state
from flamingo_jax.training.trainable import merge_params

CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'
EXPERIMENTS = sorted(path.name for path in CONFIGS.glob('*.gin')
                     if not path.name.startswith(('eval_', 'infer_')))
EVALUATIONS = sorted(path.name for path in CONFIGS.glob('eval_*.gin'))
INFERENCES = sorted(path.name for path in CONFIGS.glob('infer_*.gin'))
MODELS = sorted(path.name for path in CONFIGS.glob('models/*.gin'))


def train(
    *, model, train_dataset_cfg, partitioner, trainer_cls, get_dataset_fn,
    **unused
):
  """A driver that lowers the step of a run and stops there."""
  assert {'model_dir', 'total_steps', 'checkpoint_cfg'} <= set(unused)
  state, frozen_params = abstract_state(model, partitioner)
  layout = partitioner.get_data_layout(train_dataset_cfg.batch_size)
  dataset = get_dataset_fn(
      train_dataset_cfg, layout.shard_id, layout.num_shards
  )
  batch = {
      key: jax.ShapeDtypeStruct(
          spec.shape, spec.dtype.as_numpy_dtype,
          sharding=partitioner.batch_sharding,
      )
      for key, spec in dataset.element_spec.items()
  }
  trainer = trainer_cls(model=model, partitioner=partitioner)
  return model, trainer.lower_train(state, frozen_params, batch)


def evaluate(*, model, dataset_cfg, partitioner, **unused):
  """A driver that lowers what a run answers, and stops there."""
  assert {'output_dir', 'restore_checkpoint_cfg'} <= set(unused)
  for task in pipeline.mixture_tasks(dataset_cfg.mixture_or_task_name):
    dataset = FeatureConverter()(
        task.get_dataset(dataset_cfg.task_feature_lengths, dataset_cfg.split),
        dataset_cfg.task_feature_lengths,
    )
  batch = {
      key: jax.ShapeDtypeStruct(
          (dataset_cfg.batch_size, *spec.shape), spec.dtype.as_numpy_dtype,
          sharding=partitioner.batch_sharding,
      )
      for key, spec in dataset.element_spec.items()
  }
  params = merge_params(*abstract_params(model, partitioner))
  score = functools.partial(inference.score, model.module)
  with partitioner.rules_in_use():
    return unused['output_dir'], jax.jit(score).lower(params, batch)


def infer(*, mode, checkpoint_period, shard_id, num_shards, **same):
  """As `evaluate`, with the arguments that t5x's infer has to be given."""
  assert (shard_id, num_shards) == (0, 1) and checkpoint_period and mode
  return evaluate(**same)


@pytest.fixture(autouse=True)
def this_is_main(monkeypatch):
  """Gin files import the driver from `__main__`: here it is this module."""
  monkeypatch.setitem(sys.modules, '__main__', sys.modules[__name__])
  gin.clear_config()
  yield
  gin.clear_config()


@pytest.fixture
def data(tmp_path):
  Image.new('RGB', (20, 30), 'red').save(tmp_path / 'red.png')
  line = {'parts': [{'image': 'red.png'}, {'text': 'a red picture'}]}
  (tmp_path / 'data.jsonl').write_text(json.dumps(line) + '\n')
  return tmp_path / 'data.jsonl'


def run(files, *bindings, driver=train):
  configured = gin.configurable(driver)
  gin_config.parse([str(CONFIGS / file) for file in files], bindings)
  return gin_config.one_sentence(configured)


@pytest.mark.parametrize('file', EXPERIMENTS)
def test_every_experiment_lowers(file, data, tmp_path):
  bindings = [f'MODEL_DIR={tmp_path / "run"}']
  if file == 'own_data.gin':
    bindings.append(f'DATA={data}')
  _, lowered = run([file], *bindings)
  assert 'optimization_barrier' in lowered.as_text()


@pytest.mark.parametrize('file, driver, name', [
    *((file, evaluate, 'eval') for file in EVALUATIONS),
    *((file, infer, 'infer') for file in INFERENCES),
])
def test_every_evaluation_lowers(file, driver, name, tmp_path):
  output_dir, lowered = run([file], f'MODEL_DIR={tmp_path}', driver=driver)
  assert output_dir == str(tmp_path / name)
  assert 'tensor<32x5x1x64x64x3xui8>' in lowered.as_text()


@pytest.mark.parametrize('file', MODELS)
def test_every_model_lowers(file, tmp_path):
  bindings = [
      f'MODEL_DIR={tmp_path / "run"}', 'TRAIN_STEPS=1',
      'TASK_FEATURE_LENGTHS='
      '{"shapes_pairs": {"tokens": 8, "media": 1, "image_size": 64}}',
      'MIXTURE_OR_TASK_NAME=shapes_pairs', 'BATCH_SIZES={"shapes_pairs": 8}',
  ]
  if file != 'flamingo_tiny.gin':
    # Only the size of their language models' vocabularies is known.
    path, size = default_vocabulary().path, default_vocabulary().base_size
    bindings += [
        f'VOCABULARY={path}', f'variant.overrides={{"decoder.vocab": {size}}}'
    ]
  model, lowered = run(
      [f'models/{file}', 'mixtures/shapes.gin', 'runs/pretrain.gin'], *bindings
  )
  width = model.config.decoder.width
  assert f'tensor<1x{width}xf32>' in lowered.as_text()  # <EOC>'s row


def test_the_learning_rate_of_a_run_is_the_papers(tmp_path):
  gin.configurable(train)
  gin_config.parse(
      [str(CONFIGS / 'runs/pretrain.gin')],
      [f'MODEL_DIR={tmp_path}', 'TRAIN_STEPS=1'],
  )
  assert gin.query_parameter('LEARNING_RATE/macro.value') == 1e-4
  assert gin.query_parameter('WARMUP_STEPS/macro.value') == 5000


@pytest.mark.parametrize('files, bindings, sentence', [
    (['nowhere.gin'], [], 'nowhere.gin does not exist'),
    (['own_data.gin'], ['MODEL_DIR=x'], 'DATA must be set: add --gin.DATA=...'),
    (['own_data.gin'], ['MODEL_DIRS=x'], 'did you mean MODEL_DIR?'),
    (['own_data.gin'], ['TRAIN_STEPS'], '--gin.TRAIN_STEPS has no value'),
    (['own_data.gin'], ['Nothing.at_all=1'], "matching 'Nothing'"),
    (['own_data.gin'], ['Trainer.what=1'], "parameter named 'what'"),
])
def test_what_gin_does_not_know_is_one_sentence(files, bindings, sentence):
  with pytest.raises(UserError) as error:
    run(files, *bindings)
  assert sentence in str(error.value)
  assert '\n' not in str(error.value)

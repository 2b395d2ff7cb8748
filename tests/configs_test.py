# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every gin file parses, builds, and its training step lowers."""

import json
import pathlib
import sys

import gin
import jax
from PIL import Image
import pytest

from flamingo_jax import gin_config
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.training.train_step import abstract_state

CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'
EXPERIMENTS = sorted(path.name for path in CONFIGS.glob('*.gin'))
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


def run(files, *bindings):
  configured = gin.configurable(train)
  gin_config.parse([str(CONFIGS / file) for file in files], bindings)
  return gin_config.one_sentence(configured)


@pytest.mark.parametrize('file', EXPERIMENTS)
def test_every_experiment_lowers(file, data, tmp_path):
  bindings = [f'MODEL_DIR={tmp_path / "run"}']
  if file == 'own_data.gin':
    bindings.append(f'DATA={data}')
  _, lowered = run([file], *bindings)
  assert 'optimization_barrier' in lowered.as_text()


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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Frames and fps of the gin files of all programs that answer."""

import pathlib

import gin
import pytest

from flamingo_jax import gin_config
from flamingo_jax.data import pipeline
from flamingo_jax.shipped import shipped_weights
from tests.evaluation import miniature

CONFIGS = pathlib.Path(__file__).parents[2] / 'configs'


def evaluate(*, dataset_cfg, **unused):
  """A driver that does nothing, and tells what it would read."""
  del unused
  return dataset_cfg


def infer(**same):
  """As `evaluate`."""
  return evaluate(**same)


def train(*, infer_eval_dataset_cfg, **unused):
  """As `evaluate`, of what is evaluated while it trains."""
  del unused
  return infer_eval_dataset_cfg


@pytest.fixture(scope='module')
def data(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  miniature.WRITERS['ivqa'](folder / 'ivqa')
  return folder


@pytest.mark.usefixtures('this_is_main')
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
    driver, files, name, asked, frames, shown, data
):
  folder = 'BENCHMARK_DIR' if driver is train else 'DATA_DIR'
  bindings = [
      f'{folder}={str(data)!r}', 'BENCHMARK="ivqa"', 'SHOTS=(0,)',
      f'{name}SPLIT="test"', f'MODEL_DIR={shipped_weights()}',
      *(f'{name}{binding}' for binding in asked),
  ]
  configured = gin.configurable(driver)
  gin_config.parse([str(CONFIGS / file) for file in files], bindings)
  cfg = gin_config.one_sentence(configured)
  (task,) = pipeline.mixture_tasks(cfg.mixture_or_task_name)
  examples = task.get_dataset(cfg.task_feature_lengths, cfg.split)
  mask = next(examples.as_numpy_iterator())['media_mask']
  assert mask.shape[1] == frames and mask[0].sum() == shown

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's ablations of the tiny model, as gin reads them."""

import sys

import gin
import jax
import jax.numpy as jnp
import pytest

from flamingo_jax import gin_config, runtime
from flamingo_jax.ablations.table import ABLATIONS, BASE, RUNS
from flamingo_jax.data import pipeline
from flamingo_jax.errors import UserError
from flamingo_jax.models import variants
from flamingo_jax.tasks import tiny
from flamingo_jax.run_dir.model_json import check_model_json, write_model_json
from flamingo_jax.run_dir.model_json import stored_config

assert tiny  # registers the mixtures
PAPER = variants.get('flamingo_tiny')


def train(*, model, train_dataset_cfg, **unused):
  """A driver that goes no further than to build its parts."""
  return model, train_dataset_cfg


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
      ['configs/flamingo_tiny.gin'],
      [flag.removeprefix('--gin.') for flag in RUNS[name].flags]
      + ['MODEL_DIR=run', 'VISION_ENCODER=', 'LANGUAGE_MODEL='],
  )
  return gin_config.one_sentence(configured)


@pytest.mark.parametrize('name', ABLATIONS)
def test_a_row_changes_one_thing(name, tmp_path):
  model, data = build(name)
  _, base = build(BASE)
  changed = {
      'architecture': model.config != PAPER,
      'mixture': data.mixture_or_task_name != base.mixture_or_task_name,
      'strategy': data.strategy != base.strategy,
  }
  assert sum(changed.values()) == 1, changed
  # Each dataset has its lengths and the size of its batches.
  assert pipeline.dataset_batch_sizes(data).keys() == (
      pipeline.dataset_weights(data).keys()
  )
  # And its folder says what it is.
  write_model_json(tmp_path, model.config, model.vocabulary, 1, 1)
  stored = stored_config(tmp_path)
  assert stored == model.config
  assert type(stored) is type(model.config)


@pytest.mark.parametrize('stored, used, sentence', [
    ('no_gate', BASE, "ablation is 'no_gate', as in an ablation"),
    (BASE, 'no_gate', "ablation is '' there and 'no_gate' in this run"),
    ('grafting', 'no_gate', "'grafting' there and 'no_gate' in this run"),
])
def test_what_another_run_has_trained_is_refused(
    stored, used, sentence, tmp_path
):
  theirs, mine = build(stored)[0], build(used)[0]
  write_model_json(tmp_path, theirs.config, theirs.vocabulary, 1, 1)
  with pytest.raises(UserError, match=sentence) as error:
    check_model_json(tmp_path, mine.config, mine.vocabulary)
  assert '\n' not in str(error.value)


def test_an_unknown_part_is_one_sentence():
  with pytest.raises(UserError, match='there are no_gate, vanilla_xattn'):
    runtime.variant('flamingo_tiny', ablation='no_gates').build()


@pytest.mark.parametrize('name, without', [
    ('no_video', {'shapes_video'}),
    ('no_pairs', {'shapes_pairs'}),
    ('no_interleaved', {'shapes_bind', 'digits_bind', 'shapes_m3w'}),
])
def test_a_kind_of_data_is_left_out(name, without):
  weights = lambda name: pipeline.dataset_weights(build(name)[1])
  base = weights(BASE)
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
  base = build(BASE)[1]
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
    module = config.build().make_resampler(config.resampler)
    shapes = jax.eval_shape(
        module.init, jax.random.key(0),
        jax.ShapeDtypeStruct((1, 1, 9, 256), jnp.float32),
        jax.ShapeDtypeStruct((1, 1), jnp.bool_),
    )
    return sum(x.size for x in jax.tree.leaves(shapes))
  assert low < count(build(name)[0].config) / count(PAPER) < high


@pytest.mark.parametrize('name, below', [
    ('base', [0, 1, 2]), ('every_2nd', [0, 2]), ('every_4th', [0]),
    ('single_in_the_middle', [2]),
])
def test_how_many_layers_are_below_each_block(name, below):
  config = build(name)[0].config.decoder
  assert below == list(
      range(config.first, config.layers, config.xattn_every)
  )

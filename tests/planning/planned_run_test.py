# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs as gin files describe them, read without their data."""

from flax import linen as nn
from flax import traverse_util
import jax
import pytest

from flamingo_jax import cli
from flamingo_jax.errors import UserError
from flamingo_jax.models import VisionEncoderConfig, ViTConfig, variants
from flamingo_jax.planning import planned_run
from flamingo_jax.run_dir.model_json import write_model_json
from flamingo_jax.training import trained_model as trained
from flamingo_jax.training.partitioner import Partitioner

FILE = """
from __gin__ import dynamic_registration

include 'configs/models/flamingo_3b.gin'
include 'configs/runs/pretrain.gin'

MIXTURE_OR_TASK_NAME = 'not_registered'
TASK_FEATURE_LENGTHS = {
    'documents': {'tokens': 256, 'media': 5, 'image_size': 320},
    'videos': {'tokens': 32, 'media': 1, 'frames': 8, 'image_size': 320},
}
BATCH_SIZES = {'documents': 64, 'videos': 16}
MESH_SHAPE = {'fsdp': 8}
LOGICAL_AXIS_RULES = 'fsdp'
"""


@pytest.fixture
def file(tmp_path):
  path = tmp_path / 'run.gin'
  path.write_text(FILE)
  return str(path)


def test_a_run_without_vocabulary_data_or_model_dir(file):
  run = planned_run.read([file])
  assert run.model.config.decoder.width == 2048
  assert run.batch_sizes == {'documents': 64, 'videos': 16}
  assert (run.mesh_shape, run.rules) == ({'fsdp': 8}, 'fsdp')
  assert run.total_steps is None
  assert run.tokens == 64 * 256 + 16 * 32
  assert run.pictures == 64 * 5 + 16 * 8


def test_bindings_override_the_file(file):
  run = planned_run.read([file], ['TRAIN_STEPS=7', "MESH_SHAPE={'model': 8}"])
  assert run.total_steps == 7
  assert run.mesh_shape == {'model': 8}


def test_low_rank_updates_are_of_the_run_that_is_planned(file):
  run = planned_run.read([file, 'configs/runs/lora.gin'], ['LORA_RANK=4'])
  shapes = run.model.shapes
  counts = [
      sum(x.size for path, x in traverse_util.flatten_dict(nn.unbox(tree)).items()
          if path[-1].startswith('lora'))
      for tree in (shapes['params'], shapes['frozen_params'])
  ]
  # Queries and values of 24 layers of width 2048, and a scale of each.
  assert counts == [24 * 2 * 2 * 2048 * 4, 24 * 2]
  remat = run.with_setting('fsdp', 'full', 2)
  assert remat.model.config.lora.rank == 4


@pytest.mark.parametrize('name, model, features', [
    ('flamingo_80b', trained.FlamingoModel, 4 * 7),
    ('own_data', trained.FlamingoModel, 7),
    ('flamingo_smollm2', trained.FlamingoModel, 8),
    ('flamingo_qwen_8b', trained.FlamingoModel, 2 * 7),
    ('lm_7b', trained.LanguageModel, 5),
    ('lm_own_text', trained.LanguageModel, 5),
    ('contrastive_f6', trained.ContrastiveModel, 2 * 7),
])
def test_whatever_trains_is_read(name, model, features):
  run = planned_run.read(
      [f'configs/{name}.gin'], ['VISION_ENCODER=', 'LANGUAGE_MODEL=']
      if name == 'own_data' else []
  )
  assert type(run.model) is model
  partitioner = Partitioner(devices=jax.devices()[:1])
  assert len(run.abstract_batch(partitioner.batch_sharding)) == features
  # What a search changes; two towers have no decoder to compute again.
  remat = run.remat if name == 'contrastive_f6' else 'named'
  setting = run.with_setting('fsdp', remat, None)
  assert type(setting.model) is model and setting.remat == remat


def test_towers_that_are_not_here_are_frozen_and_the_variants(tmp_path):
  run = planned_run.read(['configs/flamingo_llama_1b.gin'])
  member = variants.get('flamingo_llama_1b', {'decoder.remat': 'dots'})
  assert run.model.config == member and not member.trained_towers
  assert run.lengths['obelics']['image_size'] == 224
  # And one that is here counts, whatever the variant says.
  vision = ViTConfig(patch=4, layers=1, width=8, heads=2, grid=3)
  write_model_json(tmp_path, VisionEncoderConfig(vision, 12), None, 0, 1)
  run = planned_run.read(
      ['configs/flamingo_llama_1b.gin'], [f'VISION_ENCODER={tmp_path}']
  )
  assert run.model.config.vision == vision
  assert run.lengths['laion']['image_size'] == 12


def test_fine_tuning_trains_the_vision_encoder_too():
  run = planned_run.read(
      ['configs/finetune_benchmark.gin'], ['VARIANT=flamingo_3b']
  )
  assert run.lengths['benchmark_finetuning']['image_size'] == 480
  # Gradients and moments are of these: 435M of NFNet-F6 among them.
  count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
  params = run.model.shapes['params']
  assert round(count(params['vision_encoder']) / 1e6) == 435
  assert 1.8e9 < count(params) < 1.9e9


def test_a_file_without_a_model_is_refused(tmp_path):
  (tmp_path / 'run.gin').write_text(FILE.replace(
      "include 'configs/models/flamingo_3b.gin'", 'MODEL = None'
  ))
  with pytest.raises(UserError, match='which model `train` gets'):
    planned_run.read([str(tmp_path / 'run.gin')])


def test_lengths_that_no_example_has_are_refused(file):
  with pytest.raises(UserError, match="of 'videos' are wrong at 'tokens'"):
    planned_run.read([file], [
        "TASK_FEATURE_LENGTHS={'videos': {'media': 1}}",
        "BATCH_SIZES={'videos': 1}",
    ])


def test_lengths_and_sizes_of_other_tasks_are_refused(file):
  with pytest.raises(UserError, match='name the same tasks'):
    planned_run.read([file], ["BATCH_SIZES={'other': 1}"])


def test_unknown_topologies_end_the_program_with_one_line(file, capsys):
  status = cli.main(['plan', f'--gin_file={file}', '--topology=v9:4x4'])
  assert status == 2
  error = capsys.readouterr().err
  assert error.startswith("error: unknown topology 'v9:4x4'")
  assert error.count('\n') == 1

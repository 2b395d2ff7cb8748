# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs as gin files describe them, read without their data."""

import jax
import numpy as np
import pytest

from flamingo_jax import cli
from flamingo_jax.errors import UserError
from flamingo_jax.planning import run_file
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
  run = run_file.read([file])
  assert run.config.decoder.width == 2048
  assert run.batch_sizes == {'documents': 64, 'videos': 16}
  assert (run.mesh_shape, run.rules) == ({'fsdp': 8}, 'fsdp')
  assert run.total_steps is None
  assert run.tokens == 64 * 256 + 16 * 32
  assert run.pictures == 64 * 5 + 16 * 8


def test_bindings_override_the_file(file):
  run = run_file.read([file], ['TRAIN_STEPS=7', "MESH_SHAPE={'model': 8}"])
  assert run.total_steps == 7
  assert run.mesh_shape == {'model': 8}


def test_batches_have_the_shapes_that_the_pipeline_gives(file):
  run = run_file.read([file])
  partitioner = Partitioner({'fsdp': 8}, 'fsdp', jax.devices())
  batch = run.abstract_batch(partitioner.batch_sharding)
  assert batch['documents/media'].shape == (16, 4, 5, 1, 320, 320, 3)
  assert batch['videos/media'].shape == (16, 1, 1, 8, 320, 320, 3)
  assert batch['videos/tokens'].dtype == np.int32
  assert batch['videos/loss_weights'].sharding.spec[0] == (
      'replica', 'fsdp', 'model'
  )


def test_lengths_and_sizes_of_other_tasks_are_refused(file):
  with pytest.raises(UserError, match='name the same tasks'):
    run_file.read([file], ["BATCH_SIZES={'other': 1}"])


def test_unknown_topologies_end_the_program_with_one_line(file, capsys):
  status = cli.main(['plan', f'--gin_file={file}', '--topology=v9:4x4'])
  assert status == 2
  error = capsys.readouterr().err
  assert error.startswith("error: unknown topology 'v9:4x4'")
  assert error.count('\n') == 1

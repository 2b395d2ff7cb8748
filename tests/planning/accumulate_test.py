# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What gradients over several datasets need of a TPU's memory."""

import jax

from flamingo_jax import models
from flamingo_jax.planning import planned_run
from flamingo_jax.training.accumulate import compute_gradients
from flamingo_jax.training.trained_model import LanguageModel
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params

ROWS, LENGTH = 64, 256


def temporaries(device, datasets):
  """Bytes of what is neither argument nor result."""
  decoder = models.DecoderConfig(
      vocab=2048, layers=1, width=128, heads=2, head_size=64, xattn_every=1
  )
  config = models.LanguageModelConfig(decoder, 'float32')
  run = planned_run.PlannedRun(
      model=planned_run.make_model(LanguageModel, config, None),
      lengths=dict.fromkeys(datasets, {'tokens': LENGTH, 'documents': 1}),
      batch_sizes=dict.fromkeys(datasets, ROWS),
  )
  partitioner = Partitioner(devices=[device])
  gradients = lambda *arguments: compute_gradients(
      run.model, *arguments, run.loss_weights
  )
  compiled = jax.jit(gradients).lower(
      *abstract_params(run.model, partitioner),
      run.abstract_batch(partitioner.batch_sharding),
  ).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_activations_of_one_dataset_are_alive_at_a_time(slice_2x2):
  device = slice_2x2.devices[0]
  one, four = (temporaries(device, datasets) for datasets in ('a', 'abcd'))
  logits = ROWS * LENGTH * 2048 * 4
  assert logits < one and four < one + logits / 2

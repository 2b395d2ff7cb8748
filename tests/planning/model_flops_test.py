# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Model FLOPs: published ones, and those of a compiled step."""

import dataclasses

import jax
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.ablations import architecture
from flamingo_jax.ablations.table import ABLATIONS
from flamingo_jax.errors import UserError
from flamingo_jax.planning import hlo_cost, interconnect, model_flops
from flamingo_jax.planning import run_file, topologies
from flamingo_jax.planning.model_flops import Lengths
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import Trainer, abstract_state


@pytest.mark.parametrize('variant, pixels, billions', [
    # Multiplications per picture, Brock et al. 2021, table 6.
    ('F0', 256, 12.38), ('F1', 320, 35.54), ('F6', 576, 377.28),
])
def test_vision_encoder_costs_what_its_paper_says(variant, pixels, billions):
  # Theirs count the classifier, and products with padding.
  ours = model_flops.vision_flops(variant, pixels) / 2e9
  assert 0.96 * billions < ours < 1.001 * billions


def test_language_model_costs_two_flops_per_weight_and_token():
  config = models.variants.get('flamingo_80b')
  parts = model_flops.forward_flops(config, Lengths(tokens=1000, media=1))
  weights = 80 * 12 * 8192**2 + 32_000 * 8192
  assert parts['language model'] == 2 * 1000 * weights


@pytest.mark.parametrize('name', [
    'vit', 'vanilla_xattn', 'mlp_resampler', 'lm_trained'
])
def test_ablations_are_not_counted(name):
  row = ABLATIONS[name]
  config = architecture.variant('flamingo_tiny', row.overrides, row.part)
  with pytest.raises(UserError, match='not of its ablations'):
    model_flops.forward_flops(config, Lengths(tokens=8, media=1))


def test_a_step_without_rematerialisation_executes_the_model_flops(small_run):
  run = dataclasses.replace(
      small_run, config=dataclasses.replace(small_run.config, vision='tiny')
  )
  partitioner = Partitioner(devices=jax.devices()[:1])
  model = run_file.make_model(run)
  state, frozen = abstract_state(model, partitioner)
  trainer = Trainer(model, partitioner, lambda step: 0.0, run.loss_weights)
  compiled = trainer.lower_train(
      state, frozen, run.abstract_batch(partitioner.batch_sharding)
  ).compile()
  links = interconnect.Interconnect(
      {'replica': 1, 'fsdp': 1, 'model': 1}, np.zeros((1, 1), int), (1,),
      1.0, 1,
  )
  cost = hlo_cost.analyze(
      compiled.as_text(), topologies.CHIPS['v5e'], links
  )
  needed = model_flops.train_flops(run.config, run.lengths, run.batch_sizes)
  # Left out: projections of distances, which do not grow with the batch, and
  # the row of <EOC>.
  assert needed == pytest.approx(cost.flops, rel=0.03)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Model FLOPs: published ones, closed forms, and those of a gradient."""

import dataclasses
import functools
import math

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding
import pytest

from flamingo_jax import models
from flamingo_jax.models import contrastive, nfnet
from flamingo_jax.planning import model_flops, planned_run
from flamingo_jax.training import accumulate
from flamingo_jax.training import trained_model as trained

TOKENS, MEDIA = 256, 5
PLACE = SingleDeviceSharding(jax.devices()[0])


def shape(*sizes, dtype=jnp.int32):
  return jax.ShapeDtypeStruct(sizes, dtype)


def step_flops(model_class, config, rows, **lengths):
  """Counted, of an update over one dataset."""
  run = planned_run.PlannedRun(
      planned_run.make_model(model_class, config, None),
      lengths={'data': lengths}, batch_sizes={'data': rows},
  )
  weights = nn.unbox(run.model.shapes)
  return model_flops.train_flops(
      run.model, weights['params'], weights['frozen_params'],
      run.abstract_batch(PLACE),
  )


@functools.cache
def vision_flops(variant, pixels):
  """Counted, of a picture."""
  encoder = nfnet.NFNet(nfnet.NFNETS[variant], 'float32')
  picture = shape(1, pixels, pixels, 3, dtype=jnp.float32)
  weights = models.init_shapes(encoder.init, jax.random.key(0), picture)
  return model_flops.forward_flops(encoder.apply, weights, picture)


def language_model(decoder):
  """(products with weights, products of attention) of TOKENS, forward."""
  width, inner = decoder.width, decoder.heads * decoder.head_size
  of_layer = 4 * width * inner + 8 * width**2
  weights = decoder.layers * of_layer + decoder.vocab * width
  # Content, positions, values.
  attention = decoder.layers * 3 * TOKENS**2 * inner
  return 2 * TOKENS * weights, 2 * attention


@pytest.mark.parametrize('variant, pixels, billions', [
    # Multiplications per picture, Brock et al. 2021, table 6.
    ('F0', 256, 12.38), ('F6', 576, 377.28),
])
def test_vision_encoder_costs_what_its_paper_says(variant, pixels, billions):
  # Theirs count the classifier, and products with padding.
  assert 0.96 * billions < vision_flops(variant, pixels) / 2e9 < 1.001 * billions


# A block in front of each layer, or of every seventh, and the last ones fewer.
@pytest.mark.parametrize('name', ['flamingo_3b', 'flamingo_80b'])
def test_flamingo_costs_what_its_architecture_says(name):
  config = models.variants.get(name)
  decoder, resampler, rows = config.decoder, config.resampler, 64
  latents, keys = resampler.latents, 10 * 10 + resampler.latents
  width, inner = resampler.width, resampler.heads * resampler.head_size
  resampled = resampler.layers * (
      latents * (2 * width * inner + 8 * width**2) + keys * 2 * width * inner
      + 2 * latents * keys * inner
  )
  features = 10 * 10 * 3072 * width
  media = MEDIA * latents
  blocks = media * width * decoder.width
  width, inner = decoder.width, decoder.heads * decoder.head_size
  blocks += math.ceil(decoder.layers / decoder.xattn_every) * (
      TOKENS * (2 * width * inner + 8 * width**2) + media * 2 * width * inner
      + 2 * TOKENS * media * inner
  )
  weights, attention = language_model(decoder)
  expected = rows * (
      MEDIA * vision_flops('F6', 320) + 2 * MEDIA * 2 * features + 2 * weights
      + 3 * (2 * (MEDIA * resampled + blocks) + attention)
  )
  assert step_flops(
      trained.FlamingoModel, config, rows,
      tokens=TOKENS, media=MEDIA, frames=1, image_size=320,
  ) == pytest.approx(expected, rel=0.01)


def test_low_rank_updates_cost_three_forward_passes():
  def flops(rank):
    config = models.variants.get('flamingo_small', {
        'lora': models.lora.LoraConfig(rank, 1.0, ('decoder/*/value', '*/up')),
    })
    return config.decoder, step_flops(
        trained.FlamingoModel, config, 2, tokens=TOKENS, media=1, frames=1,
        image_size=64,
    )

  decoder, once = flops(2)
  width, inner = decoder.width, decoder.heads * decoder.head_size
  per_rank = decoder.layers * ((width + inner) + (width + 4 * width))
  assert flops(4)[1] - once == 3 * 2 * 2 * TOKENS * 2 * per_rank


def test_a_language_model_costs_six_flops_per_weight_and_token():
  config = models.variants.get('flamingo_9b', {'decoder.remat': 'full'})
  assert step_flops(
      trained.LanguageModel, config, 64, tokens=TOKENS, documents=1
  ) == pytest.approx(64 * 3 * sum(language_model(config.decoder)), rel=0.01)


def test_two_towers_cost_three_forward_passes_of_each():
  config = contrastive.get('contrastive_f6')
  text, pairs, tokens = config.text, 256, 64
  of_token = text.layers * (12 * text.width**2 + 2 * tokens * text.width)
  assert step_flops(
      trained.ContrastiveModel, config, pairs,
      tokens=tokens, media=1, frames=1, image_size=288,
  ) == pytest.approx(
      3 * pairs * (vision_flops('F6', 288) + 2 * tokens * of_token), rel=0.01
  )


def test_products_of_the_gradient_are_counted_from_the_losses(small_run):
  config = dataclasses.replace(
      small_run.model.config, trains_vision_encoder=True,
      trains_language_model=True,
  )
  model = planned_run.make_model(trained.FlamingoModel, config, None)
  weights = nn.unbox(model.shapes)
  batch = small_run.abstract_batch(PLACE)
  gradients = lambda *arguments: accumulate.compute_gradients(
      model, *arguments, small_run.loss_weights
  )
  arguments = weights['params'], weights['frozen_params'], batch
  # The resampler's attention is computed again.
  assert model_flops.train_flops(model, *arguments) == pytest.approx(
      model_flops.forward_flops(gradients, *arguments), rel=0.02
  )


def test_products_that_nobody_knows_how_often_are_no_silent_zero():
  doubling = lambda x: jax.lax.while_loop(
      lambda x: jnp.sum(x) < 9, lambda x: x @ x, x
  )
  with pytest.raises(ValueError, match='inside of while'):
    model_flops.forward_flops(doubling, shape(4, 4, dtype=jnp.float32))

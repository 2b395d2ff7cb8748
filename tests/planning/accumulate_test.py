# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What gradients over several datasets need of a TPU's memory."""

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.training.accumulate import compute_gradients
from flamingo_jax.training.trained_model import LanguageModel

ROWS, LENGTH = 64, 256
KEYS = {
    'tokens': jnp.int32, 'targets': jnp.int32, 'segments': jnp.int32,
    'loss_weights': jnp.float32,
}


def temporaries(device, datasets):
  """Bytes of what is neither argument nor result."""
  place = SingleDeviceSharding(device)
  spec = lambda shape, dtype: jax.ShapeDtypeStruct(shape, dtype, sharding=place)
  decoder = models.DecoderConfig(
      vocab=2048, layers=1, width=128, heads=2, head_size=64, xattn_every=1
  )
  model = LanguageModel(
      models.variants.get('flamingo_small', {'decoder': decoder}),
      default_vocabulary(), None,
  )
  params = nn.unbox(jax.eval_shape(
      model.module.init, jax.random.key(0), spec((1, LENGTH), jnp.int32)
  ))['params']
  batch = {
      f'{name}/{key}': spec((ROWS, 1, LENGTH), dtype)
      for name in datasets for key, dtype in KEYS.items()
  }
  gradients = lambda params, batch: compute_gradients(
      model, params, {}, batch, dict.fromkeys(datasets, 1.0)
  )
  compiled = jax.jit(gradients).lower(
      jax.tree.map(lambda x: spec(x.shape, x.dtype), params), batch
  ).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_activations_of_one_dataset_are_alive_at_a_time(slice_2x2):
  device = slice_2x2.devices[0]
  one, four = (temporaries(device, datasets) for datasets in ('a', 'abcd'))
  logits = ROWS * LENGTH * 2048 * 4
  assert logits < one and four < one + logits / 2

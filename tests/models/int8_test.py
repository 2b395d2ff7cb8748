# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of 8 bits compute what W = Q s does, and W is near what it was."""

import dataclasses

from flax import linen as nn
from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flamingo_jax import models
from flamingo_jax.data.vocabulary import default_vocabulary
from flamingo_jax.errors import UserError
from flamingo_jax.models import int8
from flamingo_jax.models.layers import Einsum
from flamingo_jax.models.lora import LoraConfig
from flamingo_jax.training.partitioner import Partitioner
from flamingo_jax.training.train_step import abstract_params
from flamingo_jax.training.trained_model import FlamingoModel
from tests.random_weights import random_weights, tiny_config

CONFIG = dataclasses.replace(
    tiny_config(
        models.ViTConfig(patch=8, layers=1, width=16, heads=2),
        vocab=default_vocabulary().base_size, layers=3, xattn_every=2,
    ), frozen_dtype='int8', lora=LoraConfig(2, 1.0, ('decoder/*/value',)),
)


def test_logits_are_those_of_the_rounded_maps():
  flat = traverse_util.flatten_dict(random_weights(CONFIG, 0.2))
  maps = [path[:-1] for path in flat if path[-1] == int8.SCALE]
  # Of two stacks of the language model, and of the vision encoder.
  assert len(maps) == 2 * 7 + 7
  in_8_bits = traverse_util.flatten_dict(
      int8.quantized(traverse_util.unflatten_dict(flat))
  )
  rounded = dict(in_8_bits)
  for path in maps:
    kernel, scale = (*path, 'kernel'), rounded.pop((*path, int8.SCALE))
    numbers = in_8_bits[kernel]
    assert numbers.dtype == jnp.int8 and np.abs(numbers).max() == 127
    between = range(scale.ndim - 1, numbers.ndim - 1)
    scale = np.expand_dims(scale, tuple(between))
    rounded[kernel] = numbers.astype(jnp.float32) * scale
    error = np.abs(rounded[kernel] - flat[kernel])
    assert (error <= 0.501 * scale).all() and error.max() > 0
  inputs = (
      jnp.array([[3, 7, 9]]), jnp.array([[0, 1, 1]]),
      jnp.asarray(np.random.default_rng(0).integers(
          0, 256, (1, 1, 1, 16, 16, 3), np.uint8
      )), jnp.ones((1, 1, 1), bool),
  )
  found, expected = (
      jax.jit(CONFIG.build().apply)(
          {'params': traverse_util.unflatten_dict(tree)}, *inputs
      ) for tree in (in_8_bits, rounded)
  )
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_backward_pass_keeps_a_map_in_8_bits():
  linear = Einsum('bd,df->bf', (4, 5), (None, None))
  weights = {'kernel': jnp.ones((4, 5), jnp.int8), int8.SCALE: jnp.ones(5)}
  _, backward = jax.vjp(
      lambda x: linear.apply({'params': weights}, x), jnp.ones((2, 4))
  )
  kept = [x.dtype for x in jax.tree.leaves(backward) if x.size == 20]
  assert kept == [jnp.int8]


def test_only_maps_of_frozen_towers_are_of_8_bits_and_split_as_before():
  config = dataclasses.replace(CONFIG, trains_vision_encoder=True)
  model = FlamingoModel(config, default_vocabulary(), None)
  shapes = nn.unbox(model.shapes)
  params, frozen = shapes['params'], shapes['frozen_params']
  for path, x in traverse_util.flatten_dict(params).items():
    assert x.dtype == jnp.float32 and path[-1] != int8.SCALE
  for path, x in traverse_util.flatten_dict(frozen).items():
    is_map = path[-1] == 'kernel'
    kept = path[-1] in (int8.SCALE, 'lora_scale')
    assert x.dtype == (jnp.int8 if is_map else
                       jnp.float32 if kept else jnp.bfloat16), path
  _, placed = abstract_params(
      model, Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  )
  up = placed['decoder']['groups']['lm']['ffw']['up']
  assert up['kernel'].sharding.spec[-1] == up[int8.SCALE].sharding.spec[-1] == (
      'model'
  )


def test_a_map_of_zeros_stays_so():
  numbers, scale = int8.quantize(jnp.zeros((2, 3, 4)), 1)
  assert not numbers.any() and (scale == 1).all() and scale.shape == (2, 4)


def test_other_dtypes_are_refused():
  with pytest.raises(UserError, match="frozen_dtype is 'int4' and must be one of"):
    dataclasses.replace(CONFIG, frozen_dtype='int4')

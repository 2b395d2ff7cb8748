# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Converted models on a mesh compute what they compute on one device."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh
import numpy as np
import pytest

from flamingo_jax.errors import UserError
from flamingo_jax.models import (
    DecoderConfig,
    LanguageModel,
    LanguageModelConfig,
    VisionEncoder,
    init_shapes,
)
from flamingo_jax.models.layer_config import LayerConfig
from flamingo_jax.sharding import RULES
from flamingo_jax.training.partitioner import Partitioner
from tests.convert import language_models_test as language
from tests.convert import vision_encoders_test as vision

# 'tensor_parallel' splits heads, hidden layers and, over 'fsdp', widths too;
# 'fsdp' splits widths alone, which every family has alike.
TABLES = ('tensor_parallel', 'fsdp')


def by_table(names, of_both):
  """(name, table): all under the first, some under both."""
  return [(name, TABLES[0]) for name in names] + [
      (name, TABLES[1]) for name in of_both
  ]


# These have the parameters of another: llama's, tied or not, and gemma3's.
ALIKE = 'gemma3_with_vision', 'llama_3_2', 'mistral', 'phi3', 'smollm3'
# As many rows as there are devices, so that all tables split them.
ROWS = jnp.tile(language.TOKENS, (4, 1))


@pytest.fixture(scope='module')
def read(tmp_path_factory):
  """(folder writer, reader, name) -> what the reader makes of the folder."""
  return functools.cache(lambda write, read, name: read(
      write(tmp_path_factory.mktemp(name), name)
  ))


@functools.cache
def boxed_params(model, shape, dtype):
  """Shapes with their axes; those of one model serve all tables."""
  inputs = jax.ShapeDtypeStruct(shape, dtype)
  return init_shapes(model.init, jax.random.key(0), inputs)['params']


def place(model, inputs, params, partitioner):
  """The parameters as the rules split them."""
  boxed = boxed_params(model, inputs.shape, inputs.dtype)
  # From the host: on a device, each shape is split by a program of its own.
  return jax.device_put(
      jax.device_get(params), partitioner.get_shardings(boxed)
  )


def parted(params):
  """Of how many parameters a device has but a part."""
  leaves = jax.tree.leaves(params)
  return sum(not leaf.sharding.is_fully_replicated for leaf in leaves)


@pytest.mark.parametrize(
    'name, rules', by_table(
        [name for name in language.NAMES if name not in ALIKE],
        ('gemma3', 'mpt', 'pythia'),
    )
)
def test_language_models_give_the_same_logits(read, name, rules):
  config, params = read(language.write_model, language.read_model, name)
  heads = config.decoder.kv_heads
  partitioner = Partitioner(
      {'fsdp': 8 // heads, 'model': heads}, rules,
      jax.devices()[: 8 // heads * heads],
  )
  model = LanguageModel(config)
  with partitioner.rules_in_use():
    placed = place(model, ROWS, {'decoder': params}, partitioner)
    assert parted(placed['decoder']['groups']['lm']['attn']) >= 4
    logits = jax.jit(model.apply)({'params': placed}, ROWS)
  # Sums in another order.
  np.testing.assert_allclose(
      logits, np.tile(language.LOGITS[name], (4, 1, 1)), atol=2e-4
  )


def test_gradients_are_the_same(read):
  config, params = read(language.write_model, language.read_model, 'gemma3')
  model, params = LanguageModel(config), {'decoder': params}
  loss = lambda params: jnp.square(
      model.apply({'params': params}, ROWS)
  ).mean()
  expected = jax.jit(jax.grad(loss))(params)
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, 'tensor_parallel')
  with partitioner.rules_in_use():
    found = jax.jit(jax.grad(loss))(place(model, ROWS, params, partitioner))
  jax.tree.map(
      lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5),
      found, expected,
  )


@pytest.mark.parametrize(
    'name, rules', by_table(vision.TOLD, ('clip', 'dinov2_registers'))
)
def test_vision_encoders_give_the_same_features(read, name, rules):
  config, params, _ = read(vision.write_encoder, vision.read_encoder, name)
  images = jnp.array(np.tile(vision.pictures(config.image_size), (4, 1, 1, 1)))
  encoder = VisionEncoder(config)
  partitioner = Partitioner({'fsdp': 4, 'model': 2}, rules)
  with partitioner.rules_in_use():
    placed = place(encoder, images, {'vision_encoder': params}, partitioner)
    assert parted(placed)
    found = jax.jit(encoder.apply)({'params': placed}, images)
  expected = vision.FEATURES[name]
  for part in found.reshape(4, *expected.shape):
    np.testing.assert_allclose(part, expected, atol=5e-5)


@pytest.mark.parametrize('kv_heads, ways', [(8, 8), (8, 16), (1, 2)])
def test_a_mesh_of_more_ways_than_heads_of_keys_is_refused(kv_heads, ways):
  decoder = DecoderConfig(
      vocab=64, layers=1, width=64, heads=16, head_size=16, xattn_every=1,
      layer=LayerConfig(positions='rotary', kv_heads=kv_heads),
  )
  model = LanguageModel(LanguageModelConfig(decoder))
  mesh = AbstractMesh((1, 1, ways), ('replica', 'fsdp', 'model'))
  with jax.sharding.use_abstract_mesh(mesh):
    with nn.logical_axis_rules(RULES['tensor_parallel']):
      trace = lambda: jax.eval_shape(model.init, jax.random.key(0), ROWS)
      if ways <= kv_heads:
        trace()
        return
      told = f'{kv_heads} kv_heads, .* of {ways} does not'
      with pytest.raises(UserError, match=told):
        trace()

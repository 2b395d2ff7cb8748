# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes and rule tables."""

from unittest import mock

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import pytest

from flamingo_jax import sharding
from flamingo_jax.errors import UserError
from flamingo_jax.models.attention import HeadsProjection
from flamingo_jax.training.partitioner import Partitioner
from tests.members import EIGHT, MEMBERS, TEXT, boxed_params

SHAPE = jax.ShapeDtypeStruct


def test_all_tables_have_the_same_names_and_split_all_heads_alike():
  tables = [dict(rules) for rules in sharding.RULES.values()]
  for rules in tables:
    assert rules.keys() == tables[0].keys()
    assert rules['kv_heads'] == rules['heads']


def test_a_name_without_a_rule_is_an_error(monkeypatch):
  rules = tuple(r for r in sharding.RULES['fsdp'] if r[0] != 'kv_heads')
  monkeypatch.setitem(sharding.RULES, 'fsdp', rules)
  told = "rule table 'fsdp' has no rule for 'kv_heads', an axis of "
  with pytest.raises(UserError, match=f'{told}decoder/groups/.*/map/kernel'):
    Partitioner(EIGHT, 'fsdp').get_shardings(boxed_params('flamingo_tiny'))
  module, inputs = MEMBERS['flamingo_tiny alone']
  with Partitioner(EIGHT, 'fsdp').rules_in_use():
    with pytest.raises(UserError, match=f'{told}an activation: add one'):
      jax.eval_shape(module.init, jax.random.key(0), *inputs)
  with pytest.raises(UserError, match='x/up does not name its axes'):
    sharding.tree_shardings(
        {'x': {'up': TEXT}}, sharding.make_mesh(EIGHT), sharding.RULES['fsdp']
    )


def test_no_mesh_cuts_a_head():
  partitioner = Partitioner({'fsdp': 1, 'model': 8}, 'tensor_parallel')
  told = 'heads, which the mesh axis model of 8 does not divide; sizes that do'
  with pytest.raises(UserError, match=f'decoder/.* has 4 {told} are 1, 2, 4$'):
    partitioner.get_shardings(boxed_params('flamingo_small'))
  # The kernel of keys has one axis for heads and K, which 8 does divide.
  keys = HeadsProjection(2, 16, axis='kv_heads')
  x = SHAPE((1, 8, 16), jnp.float32)
  boxed = jax.eval_shape(keys.init, jax.random.key(0), x)
  partitioner.get_shardings(boxed)
  with partitioner.rules_in_use():
    with pytest.raises(UserError, match=f'has 2 kv_{told} are 1, 2\\b'):
      jax.eval_shape(keys.init, jax.random.key(0), x)


@pytest.mark.parametrize('rules, mesh, spec', [
    ('data_parallel', {'fsdp': 8}, (None,) * 3),
    ('fsdp', {'fsdp': 8}, (None, ('fsdp', 'model'), None)),
    ('tensor_parallel', {'fsdp': 2, 'model': 4}, (None, 'fsdp', 'model')),
])
def test_rule_tables_split_what_they_say(rules, mesh, spec):
  shardings = Partitioner(mesh, rules).get_shardings(
      boxed_params('flamingo_3b')
  )
  kernel = shardings['decoder']['groups']['xattn']['ffw']['up']['kernel']
  assert kernel.spec == PartitionSpec(*spec)


@pytest.mark.parametrize('rules, shape, spec', [
    ('fsdp', (16, 6), (('replica', 'fsdp', 'model'), None)),
    ('sequence_parallel', (16, 6), (('replica', 'fsdp'), 'model')),
    # Three rows go to no two devices, and two to no four.
    ('fsdp', (3, 6), (None, None)),
    ('fsdp', (2, 6), (('replica', 'fsdp'), None)),
])
def test_constraints_reach_the_program(rules, shape, spec):
  partitioner = Partitioner({'replica': 1, 'fsdp': 2, 'model': 2}, rules,
                            jax.devices()[:4])
  with partitioner.rules_in_use():
    lowered = jax.jit(
        lambda x: sharding.constrain(x * 2, 'batch', 'length')
    ).lower(jax.ShapeDtypeStruct(
        shape, jnp.float32, sharding=partitioner.replicated
    ))
  whole = jax.sharding.NamedSharding(
      partitioner.mesh, PartitionSpec(*spec)
  )
  (found,) = jax.tree.leaves(lowered.compile().output_shardings)
  assert found.is_equivalent_to(whole, len(shape))


def test_without_rules_nothing_is_constrained():
  x = jnp.ones((4, 4))
  assert sharding.constrain(x, 'batch', 'length') is x


@pytest.mark.parametrize('rules, frozen, lookup, trainable', [
    ('fsdp_trainable', None, None, ('fsdp', 'model')),
    ('sequence_parallel', None, 'fsdp', 'fsdp'),
    ('fsdp_sequence_parallel', 'fsdp', 'fsdp', 'fsdp'),
])
def test_frozen_weights_have_rules_of_their_own(
    rules, frozen, lookup, trainable
):
  rules = dict(sharding.RULES[rules])
  assert (rules['frozen_embed'], rules['embed']) == (frozen, trainable)
  # A table that is only looked up.
  assert (rules['frozen_lookup_embed'], rules['lookup_embed']) == (
      lookup, trainable
  )


@pytest.mark.parametrize('mesh, shape, sentence', [
    ({'fsdp': 2, 'model': 4}, (6, 6),
     'x/up has 6 mlp, which the mesh axis model of 4 does not divide; sizes '
     'that do are 1, 2, 3, 6'),
    ({'fsdp': 4, 'model': 2}, (6, 8),
     'x/up has 6 embed, which the mesh axis fsdp of 4 does not divide; sizes '
     'that do are 1, 2, 3, 6'),
])
def test_a_parameter_that_the_mesh_does_not_divide_is_named(
    mesh, shape, sentence
):
  box = nn.LogicallyPartitioned(jnp.zeros(shape), ('embed', 'mlp'))
  with pytest.raises(UserError) as error:
    sharding.tree_shardings(
        {'x': {'up': box}}, sharding.make_mesh(mesh),
        sharding.RULES['tensor_parallel'],
    )
  assert str(error.value) == sentence


def test_convolutions_are_split_as_far_as_they_divide():
  box = nn.LogicallyPartitioned(jnp.zeros((3, 4)), ('conv_in', 'conv_out'))
  tree = sharding.tree_shardings(
      {'x': box}, sharding.make_mesh({'fsdp': 4, 'model': 2}),
      sharding.RULES['fsdp'],
  )
  assert tree['x'].spec == PartitionSpec(None, 'fsdp')


@pytest.mark.parametrize('shape, words', [
    ({'fsdp': 3}, 'needs 3 devices and there are 8'),
    ({'data': 8}, "unknown mesh axis 'data'"),
])
def test_meshes_that_cannot_be_are_refused(shape, words):
  with pytest.raises(UserError, match=words):
    sharding.make_mesh(shape)


@pytest.fixture
def two_slices():
  """What a mesh asks of the chips of two slices, 2 x 2 each."""
  places = [(s, x, y) for s in (0, 1) for x in (0, 1) for y in (0, 1)]
  return [
      mock.Mock(
          jax.Device, id=i, slice_index=s, coords=(x, y, 0), core_on_chip=0,
          process_index=0, platform='tpu', device_kind='TPU v5 lite',
      )
      for i, (s, x, y) in enumerate(places)
  ]


@pytest.mark.parametrize('shape, sizes', [
    ({'replica': 2, 'fsdp': 2, 'model': 2}, (2, 2, 2)),
    ({'replica': 4, 'model': 2}, (4, 1, 2)),
    (None, (2, 4, 1)),
])
@pytest.mark.parametrize('make', [
    sharding.make_mesh, lambda *args: Partitioner(args[0], 'fsdp', args[1]).mesh
])
def test_replicas_go_over_slices_and_nothing_else_does(
    two_slices, make, shape, sizes
):
  mesh = make(shape, two_slices[::-1])
  assert tuple(mesh.shape.values()) == sizes
  slices = [[d.slice_index for d in row.ravel()] for row in mesh.devices]
  half = sizes[0] // 2
  assert slices == (
      half * [[0] * (8 // sizes[0])] + half * [[1] * (8 // sizes[0])]
  )


def test_replicas_that_slices_do_not_divide_are_refused(two_slices):
  with pytest.raises(UserError, match=r"'replica' of 1 .* over 2 slices"):
    sharding.make_mesh({'fsdp': 4, 'model': 2}, two_slices)

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes and rule tables."""

from unittest import mock

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import pytest

from flamingo_jax import models, sharding
from flamingo_jax.errors import UserError
from flamingo_jax.training.partitioner import Partitioner


def boxed_params():
  shape = jax.ShapeDtypeStruct
  return jax.eval_shape(
      models.Flamingo(models.variants.get('flamingo_3b')).init,
      jax.random.key(0), shape((1, 4), jnp.int32), shape((1, 4), jnp.int32),
      shape((1, 1, 1, 64, 64, 3), jnp.uint8), shape((1, 1, 1), bool),
  )['params']


@pytest.fixture(scope='module')
def boxed():
  return boxed_params()


def test_every_parameter_names_its_axes_and_every_axis_has_a_rule(boxed):
  is_box = lambda x: isinstance(x, nn.LogicallyPartitioned)
  leaves = jax.tree_util.tree_leaves_with_path(boxed, is_leaf=is_box)
  used = set()
  for path, leaf in leaves:
    assert is_box(leaf), f'{jax.tree_util.keystr(path)} has no logical axes'
    assert len(leaf.names) == leaf.value.ndim, jax.tree_util.keystr(path)
    used.update(leaf.names)
  for name, rules in sharding.RULES.items():
    assert used <= {axis for axis, _ in rules}, f'{name} lacks a rule'


@pytest.mark.parametrize(
    'rules, mesh, path, spec',
    [
        ('data_parallel', {'fsdp': 8}, ('up',), (None,) * 3),
        ('fsdp', {'fsdp': 8}, ('up',), (None, ('fsdp', 'model'), None)),
        ('tensor_parallel', {'fsdp': 2, 'model': 4}, ('up',),
         (None, 'fsdp', 'model')),
    ],
)
def test_rule_tables_split_what_they_say(boxed, rules, mesh, path, spec):
  mesh = sharding.make_mesh(mesh)
  shardings = sharding.tree_shardings(boxed, mesh, sharding.RULES[rules])
  kernel = shardings['decoder']['groups']['xattn']['ffw'][path[0]]['kernel']
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


@pytest.mark.parametrize('rules, frozen, trainable', [
    ('fsdp_trainable', (None,), (('fsdp', 'model'),)),
    ('sequence_parallel', (None,), ('fsdp',)),
    ('fsdp_sequence_parallel', ('fsdp',), ('fsdp',)),
])
def test_frozen_weights_have_rules_of_their_own(rules, frozen, trainable):
  names = lambda axis: tuple(
      nn.logical_to_mesh_axes((axis,), sharding.RULES[rules])
  )
  assert (names('frozen_embed'), names('embed')) == (frozen, trainable)


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


@pytest.mark.parametrize(
    'shape, words',
    [({'fsdp': 3}, 'needs 3 devices and there are 8'),
     ({'data': 8}, "unknown mesh axis 'data'")],
)
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

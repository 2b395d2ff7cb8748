# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Logical axes and the rule tables that map them to mesh axes.

Model code names what an axis is ('embed', 'heads'); this module alone knows
which mesh axis it is split over. A rule table is read in order: the first rule
of a name whose mesh axis is still free in that array wins.
"""

from collections.abc import Mapping, Sequence
import math

from flax import linen as nn
import jax
from jax.experimental import mesh_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from flamingo_jax.errors import UserError
from flamingo_jax.typing import Tree

# replica: data parallel copies; fsdp: data parallel, parameters split too;
# model: tensor parallel (Megatron style, Flamingo B.1.2).
MESH_AXES = ('replica', 'fsdp', 'model')

Rules = Sequence[tuple[str, str | tuple[str, ...] | None]]

# Names that are never split.
_REPLICATED = tuple(
    (name, None)
    for name in (
        'length', 'kv', 'groups', 'layers', 'media', 'latents', 'frames',
        'vision_embed', 'conv_h', 'conv_w', 'conv_in', 'new_vocab',
    )
)

RULES: Mapping[str, Rules] = {
    'data_parallel': (
        ('batch', ('replica', 'fsdp', 'model')),
        ('embed', None), ('heads', None), ('mlp', None), ('vocab', None),
        ('conv_out', None), *_REPLICATED,
    ),
    'fsdp': (
        ('batch', ('replica', 'fsdp', 'model')),
        ('embed', ('fsdp', 'model')), ('heads', None), ('mlp', None),
        ('vocab', None), ('conv_out', ('fsdp', 'model')), *_REPLICATED,
    ),
    'tensor_parallel': (
        ('batch', ('replica', 'fsdp')), ('embed', 'fsdp'),
        ('heads', 'model'), ('mlp', 'model'), ('vocab', 'model'),
        ('conv_out', None), *_REPLICATED,
    ),
}


def make_mesh(
    shape: Mapping[str, int], devices: Sequence[jax.Device] | None = None
) -> Mesh:
  """A mesh over `MESH_AXES`; an axis left out has size 1.

  Args:
    shape: size per mesh axis, for example {'fsdp': 4, 'model': 2}.
    devices: defaults to all devices of the job.

  Returns:
    The mesh, laid out so that 'model' neighbours are close.

  Raises:
    UserError: an unknown axis, or sizes that don't multiply to the devices.
  """
  devices = jax.devices() if devices is None else devices
  unknown = sorted(set(shape) - set(MESH_AXES))
  if unknown:
    raise UserError(
        f'unknown mesh axis {unknown[0]!r}: the axes are {", ".join(MESH_AXES)}'
    )
  sizes = tuple(shape.get(axis, 1) for axis in MESH_AXES)
  if math.prod(sizes) != len(devices):
    raise UserError(
        f'the mesh {dict(zip(MESH_AXES, sizes))} needs {math.prod(sizes)} '
        f'devices and there are {len(devices)}: change the mesh so that its '
        'axes multiply to that number'
    )
  return Mesh(
      mesh_utils.create_device_mesh(
          sizes, devices=devices, allow_split_physical_axes=True
      ),
      MESH_AXES,
  )


def batch_sharding(mesh: Mesh, rules: Rules) -> NamedSharding:
  """Sharding of a batch array: its leading axis is 'batch', the rest whole."""
  return NamedSharding(mesh, nn.logical_to_mesh_axes(('batch',), rules))


def tree_shardings(boxed: Tree, mesh: Mesh, rules: Rules) -> Tree:
  """Shardings of a tree of parameters boxed by `with_logical_partitioning`.

  Args:
    boxed: arrays or shapes, each annotated with its logical axes.
    mesh: the mesh of the run.
    rules: a table of `RULES`.

  Returns:
    The same tree (unboxed) with a NamedSharding per leaf. An axis that its
    mesh axes do not divide evenly is left whole.
  """
  def leaf(box):
    if not isinstance(box, nn.LogicallyPartitioned):
      return NamedSharding(mesh, PartitionSpec())
    spec = nn.logical_to_mesh_axes(box.names, rules)
    return NamedSharding(mesh, divisible(spec, box.value.shape, mesh))

  return jax.tree.map(
      leaf, boxed, is_leaf=lambda x: isinstance(x, nn.LogicallyPartitioned)
  )


def divisible(
    spec: PartitionSpec, shape: tuple[int, ...], mesh: Mesh
) -> PartitionSpec:
  """Drops the mesh axes that don't divide their array axis."""
  def size(axes):
    axes = (axes,) if isinstance(axes, str) else axes or ()
    return math.prod(mesh.shape[axis] for axis in axes)

  return PartitionSpec(*(
      axes if dim % size(axes) == 0 else None
      for axes, dim in zip(spec, shape)
  ))

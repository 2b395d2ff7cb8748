# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Logical axes and the rule tables that map them to mesh axes.

Model code names what an axis is ('embed', 'heads'); this module alone knows
which mesh axis it is split over. A rule table is read in order: the first rule
of a name whose mesh axis is still free in that array wins.
"""

from collections.abc import Callable, Mapping, Sequence
import math
from typing import Any

from flax import linen as nn
import jax
from jax.experimental import mesh_utils
from jax.sharding import AbstractMesh, Mesh, NamedSharding, PartitionSpec
import numpy as np

from flamingo_jax import option_values
from flamingo_jax.errors import UserError, shown
from flamingo_jax.typing import Array, Tree

# replica: data parallel copies; fsdp: data parallel, parameters split too;
# model: tensor parallel (Megatron style, Flamingo B.1.2).
MESH_AXES = ('replica', 'fsdp', 'model')

Rules = Sequence[tuple[str, str | tuple[str, ...] | None]]

# Axes that are split to save memory alone, and stay whole where the mesh does not
# divide them: of what sees pictures, which is computed picture by picture, and of
# a table that is only looked up.
_MAY_BE_WHOLE = (
    'media_heads', 'media_kv_heads', 'media_mlp', 'media_embed',
    'frozen_media_embed', 'conv_out', 'frozen_lookup_embed',
)

# Names that are never split.
_WHOLE = tuple(
    (name, None)
    for name in (
        'kv', 'groups', 'layers', 'latents', 'frames', 'vision_embed', 'joint',
        'conv_h', 'conv_w', 'conv_in', 'new_vocab', 'text_vocab',
    )
)


def _rules(
    batch: tuple[str, ...],
    trainable: str | tuple[str, ...] | None,
    frozen: str | tuple[str, ...] | None,
    conv_out: str | tuple[str, ...] | None,
    model: str | None,
    length: str | None = None,
) -> Rules:
  """A table; the order matters, attention comes before 'length'."""
  lookup = trainable if model else frozen
  return (
      ('batch', batch),
      # Rows of the text between blocks, where `length` names what heads and
      # MLPs are split over; where rows are too few, the text itself is split.
      # A row is cut from memory as it lies, tokens are not: of short texts the
      # compiler would sum the whole on every device.
      ('text', (*batch, length) if length else batch),
      # Pictures, and then their latents: a batch without text. Encoder and
      # resampler have nothing to split over 'model', so more media are.
      ('media', MESH_AXES),
      ('heads', model), ('kv_heads', model), ('mlp', model), ('vocab', model),
      ('media_heads', model), ('media_kv_heads', model), ('media_mlp', model),
      ('length', length),
      ('embed', trainable), ('frozen_embed', frozen), ('conv_out', conv_out),
      ('media_embed', trainable), ('frozen_media_embed', frozen),
      # Of a table of words that is only looked up. A frozen one is split even
      # where other frozen weights are whole: rows are sent, and not the table.
      ('lookup_embed', trainable), ('frozen_lookup_embed', lookup),
      *_WHOLE,
  )


_FSDP = ('fsdp', 'model')
RULES: Mapping[str, Rules] = {
    # Every device has everything.
    'data_parallel': _rules(MESH_AXES, None, None, None, None),
    # Parameters and optimizer are split, and gathered layer by layer.
    'fsdp': _rules(MESH_AXES, _FSDP, _FSDP, _FSDP, None),
    # The same for trainables and optimizer alone: frozen weights, which need
    # neither gradient nor moments, are never gathered.
    'fsdp_trainable': _rules(MESH_AXES, _FSDP, None, None, None),
    # Blocks are split over 'model' (Megatron), trainables over 'fsdp' too.
    'tensor_parallel': _rules(
        ('replica', 'fsdp'), 'fsdp', None, None, 'model'
    ),
    # And between blocks the text is.
    'sequence_parallel': _rules(
        ('replica', 'fsdp'), 'fsdp', None, None, 'model', 'model'
    ),
    # And frozen weights over 'fsdp': the least memory.
    'fsdp_sequence_parallel': _rules(
        ('replica', 'fsdp'), 'fsdp', 'fsdp', 'fsdp', 'model', 'model'
    ),
}


def constrain(x: Array, *axes: str | None) -> Array:
  """Splits an activation as the rules in use say; without rules, not at all.

  An axis is split over as many of its mesh axes as divide it: texts and numbers
  of media are of any length. What is left of them is free for later rules. Heads
  are as many in every batch, and no device may get a part of one.

  Args:
    x: the activation.
    axes: the name of each of its axes, None for one that stays whole.

  Raises:
    UserError: an axis without a rule, or heads that the mesh doesn't divide.
  """
  mesh, rules = jax.sharding.get_abstract_mesh(), nn.get_logical_axis_rules()
  if mesh.empty or not rules:
    return x
  return jax.lax.with_sharding_constraint(x, partition_spec(
      'an activation', axes, x.shape, mesh, rules,
      lambda name: name not in ('heads', 'kv_heads'),
  ))


def is_for_one_cpu() -> bool:
  """Whether what is traced is for a CPU that shares no array with others."""
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty:
    return jax.default_backend() == 'cpu'
  is_alone = mesh.size == 1 or mesh.are_all_axes_manual
  return is_alone and mesh.abstract_device.platform == 'cpu'


def shape_on_device(shape: Sequence[int], *axes: str | None) -> tuple[int, ...]:
  """What a device has of an activation that `constrain` splits."""
  mesh, rules = jax.sharding.get_abstract_mesh(), nn.get_logical_axis_rules()
  if mesh.empty or not rules:
    return tuple(shape)
  spec = partition_spec(
      'an activation', axes, shape, mesh, rules, lambda name: True
  )
  return tuple(n // _parts(part, mesh) for n, part in zip(shape, spec))


def parse_mesh(text: str) -> dict[str, int]:
  """'fsdp:16,model:4' as sizes by axis.

  Raises:
    UserError: an axis that there is none of, or a size that is no number.
  """
  shape = {}
  for part in text.split(','):
    axis, _, size = part.partition(':')
    if axis not in MESH_AXES or not size.isdigit() or int(size) < 1:
      raise UserError(
          f'--mesh={text} has {part!r}: write AXIS:SIZE with an axis of '
          f'{", ".join(MESH_AXES)}, for example fsdp:16,model:4'
      )
    shape[axis] = int(size)
  return shape


def make_mesh(
    shape: Mapping[str, int] | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> Mesh:
  """A mesh over `MESH_AXES`; an axis left out has size 1.

  Several slices of TPUs make one mesh: 'replica' goes over them, so that what
  crosses the data-centre network is one all-reduce of the trainables' gradient
  per step, and the other axes stay inside a slice.

  Args:
    shape: size per mesh axis, for example {'fsdp': 4, 'model': 2}; None is a
      replica per slice, and 'fsdp' for all the rest.
    devices: defaults to all devices of the job.

  Returns:
    The mesh, laid out so that 'model' neighbours are close.

  Raises:
    UserError: an unknown axis, sizes that don't multiply to the devices, or a
      'replica' that the number of slices doesn't divide.
  """
  devices = _checked(devices)
  slices = slice_count(devices)
  if shape is None:
    shape = {'replica': slices, 'fsdp': len(devices) // slices}
  if not isinstance(shape, Mapping):
    raise UserError(
        f'the mesh is {shown(shape)} and must be a size per axis, such as '
        "{'fsdp': 4, 'model': 2}"
    )
  for axis in shape:
    if axis not in MESH_AXES:
      raise UserError(
          f'unknown mesh axis {shown(axis)}: the axes are '
          f'{", ".join(MESH_AXES)}'
      )
  sizes = tuple(
      option_values.whole_number(f'the mesh axis {axis}', shape.get(axis, 1), 1)
      for axis in MESH_AXES
  )
  if math.prod(sizes) != len(devices):
    raise UserError(
        f'the mesh {dict(zip(MESH_AXES, sizes))} needs {math.prod(sizes)} '
        f'devices and there are {len(devices)}: change the mesh so that its '
        'axes multiply to that number'
    )
  replica, *inner = sizes
  if replica % slices:
    raise UserError(
        f"the mesh axis 'replica' of {replica} cannot go over {slices} slices: "
        f'make it a multiple of {slices}, the other axes stay inside a slice'
    )
  return Mesh(
      mesh_utils.create_hybrid_device_mesh(
          (replica // slices, *inner), (slices, 1, 1), devices,
          allow_split_physical_axes=True,
      ) if slices > 1 else mesh_utils.create_device_mesh(
          sizes, devices=devices, allow_split_physical_axes=True
      ),
      MESH_AXES,
  )


def _checked(devices: Any) -> Sequence[jax.Device]:
  """Of a mesh; None: all of the job.

  Raises:
    UserError: they are no list of devices.
  """
  if devices is None:
    return jax.devices()
  is_list = isinstance(devices, (list, tuple, np.ndarray))
  found = list(devices) if is_list else []
  if not found or not all(hasattr(x, 'device_kind') for x in found):
    raise UserError(
        f'devices are {shown(devices)} and must be a list of devices, such as '
        'jax.devices()'
    )
  return found


def slice_count(devices: Sequence[jax.Device]) -> int:
  """How many slices of TPUs there are, joined by the data-centre network.

  1 elsewhere: GPUs and CPUs count their hosts so, which `jax.devices` already
  has one after the other.
  """
  if devices[0].platform != 'tpu':
    return 1
  # Chips of one slice that is only described have no such number.
  return len({getattr(device, 'slice_index', 0) for device in devices})


def batch_sharding(mesh: Mesh, rules: Rules) -> NamedSharding:
  """Sharding of a batch array: its leading axis is 'batch', the rest whole."""
  return NamedSharding(mesh, nn.logical_to_mesh_axes(('batch',), rules))


def batch_parts(mesh: Mesh | AbstractMesh, rules: Rules) -> int:
  """How many parts the rows of a batch are split into."""
  (axes,) = nn.logical_to_mesh_axes(('batch',), rules)
  return _parts(axes, mesh)


def tree_shardings(
    boxed: Tree, mesh: Mesh | AbstractMesh, rules: Rules
) -> Tree:
  """Shardings of a tree of parameters boxed by `with_logical_partitioning`.

  Args:
    boxed: arrays or shapes, each annotated with its logical axes.
    mesh: the mesh of the run.
    rules: a table of `RULES`.

  Returns:
    The same tree (unboxed) with a NamedSharding per leaf.

  Raises:
    UserError: a parameter that names no axes, or as of `partition_spec`.
  """
  def leaf(path, box):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    if not is_boxed(box):
      raise UserError(
          f'{name} does not name its axes: make it with '
          'models.layers.parameter'
      )
    return NamedSharding(mesh, partition_spec(
        name, box.names, box.value.shape, mesh, rules
    ))

  return jax.tree_util.tree_map_with_path(leaf, boxed, is_leaf=is_boxed)


def is_boxed(leaf: Any) -> bool:
  """Whether a leaf of a tree of parameters says its logical axes."""
  return isinstance(leaf, nn.LogicallyPartitioned)


def partition_spec(
    what: str,
    names: Sequence[str | None],
    shape: Sequence[int],
    mesh: Mesh | AbstractMesh,
    rules: Rules,
    may_be_whole: Callable[[str], bool] = lambda name: name in _MAY_BE_WHOLE,
) -> PartitionSpec:
  """How an array is split: exactly as the rules say, or it is an error.

  A parameter that stays whole where its rule splits it is memory that nobody
  planned. Only `_MAY_BE_WHOLE` are split over as many mesh axes as divide them:
  public encoders have 6 or 12 heads, and all are small beside a language model.

  Args:
    what: the array, for the message.
    names: of its logical axes.
    shape: of it.
    mesh: the mesh of the run.
    rules: a table of `RULES`.
    may_be_whole: which names keep, of the mesh axes of their rule, as many from
      the first as divide them; the rest is free for later rules.

  Raises:
    UserError: an axis without a rule, or one that doesn't divide.
  """
  if unknown := set(names) - {None} - {name for name, _ in rules}:
    table = next((name for name in RULES if RULES[name] == rules), 'in use')
    raise UserError(
        f'the rule table {table!r} has no rule for {min(unknown)!r}, an axis of '
        f'{what}: add one to sharding.py, None if it is never split'
    )
  spec: list[str | tuple[str, ...] | None] = [None] * len(names)
  used: set[str] = set()
  for name, axes in rules:
    axes = (axes,) if isinstance(axes, str) else axes or ()
    for i, (axis, size) in enumerate(zip(names, shape, strict=True)):
      if axis != name or spec[i] is not None or not used.isdisjoint(axes):
        continue
      kept = axes
      while size % _parts(kept, mesh):
        kept = kept[:-1]
      if kept != axes and not may_be_whole(name):
        sizes = [str(n) for n in range(1, 1025) if size % n == 0]
        raise UserError(
            f'{what} has {size} {name}, which the mesh axis {"+".join(axes)} of '
            f'{_parts(axes, mesh)} does not divide; sizes that do are '
            f'{", ".join(sizes)}'
        )
      spec[i] = kept[0] if len(kept) == 1 else kept or None
      used |= set(kept)
  return PartitionSpec(*spec)


def _parts(
    axes: str | Sequence[str] | None, mesh: Mesh | AbstractMesh
) -> int:
  """How many parts an entry of a PartitionSpec makes."""
  axes = (axes,) if isinstance(axes, str) else axes or ()
  return math.prod(mesh.shape[axis] for axis in axes)

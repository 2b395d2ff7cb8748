# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Every member has the parameters that docs/zoo.md says, and every table splits them."""

import math
import pathlib
import re

from flax import linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh
import pytest

from flamingo_jax import sharding
from flamingo_jax.models import variants
from flamingo_jax.planning import topologies
from tests.members import MEMBERS, boxed_params, mesh_of

_POD = {'replica': 3, 'fsdp': 64, 'model': 8}  # of flamingo_80b.gin
PAGE = pathlib.Path(__file__).parents[1] / 'docs' / 'zoo.md'


def test_members_are_told_with_their_parameters():
  rows = re.findall(r'^\| `(\w+)` \| ([\d,]+) \|', PAGE.read_text(), re.M)
  told = {name: int(count.replace(',', '')) for name, count in rows}
  assert told == {
      name: sum(x.size for x in jax.tree.leaves(nn.unbox(boxed_params(name))))
      for name in variants.VARIANTS
  }


def test_answers_are_planned_on_meshes_that_fill_their_slices():
  rows = re.findall(
      r'^\| `(\w+)` \| (v\w+:[\dx]+), ([\w:,]+) \|', PAGE.read_text(), re.M
  )
  for _, slice_, mesh in rows:
    _, shape = topologies.parse(slice_)
    assert math.prod(shape) == math.prod(sharding.parse_mesh(mesh).values())
  assert {(member, slice_.split(':')[0]) for member, slice_, _ in rows} == {
      (member, chip) for chip in ('v5e', 'v5p')
      for member in ('idefics_9b', 'idefics_80b', 'llama_vision_11b')
  }


def pod_of(name):
  """Of devices that a member is for."""
  if 'idefics' in name:  # its vision encoder is 1280 wide
    return {'replica': 1, 'fsdp': 16, 'model': 8}
  if 'open_flamingo' in name:  # 50,277 rows, which no 2 devices split evenly
    return {'replica': 1, 'fsdp': 8, 'model': 1}
  return mesh_of(name) if MEMBERS[name][0].config.dtype == 'float32' else _POD


@pytest.mark.parametrize('name', MEMBERS)
def test_every_table_splits_every_member_on_the_mesh_it_is_for(name):
  mesh = pod_of(name)
  mesh = AbstractMesh(tuple(mesh.values()), tuple(mesh))
  boxed = boxed_params(name)
  rename = {
      n: f'frozen_{n}' for n in ('embed', 'lookup_embed', 'media_embed')
  }
  frozen = jax.tree.map(
      lambda box: box.replace(names=[rename.get(n, n) for n in box.names]),
      boxed, is_leaf=sharding.is_boxed,
  )
  shapes = jax.tree.map(jnp.shape, nn.unbox(boxed))
  for rules in sharding.RULES.values():
    for tree in (boxed, frozen):
      shardings = sharding.tree_shardings(tree, mesh, rules)
      # Tells what the mesh cannot split, or has no axis of that number.
      jax.tree.map(lambda s, shape: s.shard_shape(shape), shardings, shapes)

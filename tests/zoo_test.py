# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/zoo.md says of every member how many parameters it has."""

import math
import pathlib
import re

from flamingo_jax import sharding
from flamingo_jax.convert.rules import abstract_tower
from flamingo_jax.models import variants
from flamingo_jax.planning import topologies

PAGE = pathlib.Path(__file__).parents[1] / 'docs' / 'zoo.md'


def test_members_are_told_with_their_parameters():
  rows = re.findall(r'^\| `(\w+)` \| ([\d,]+) \|', PAGE.read_text(), re.M)
  told = {name: int(count.replace(',', '')) for name, count in rows}
  assert told == {
      name: sum(x.size for x in abstract_tower(config, whole=True).values())
      for name, config in variants.VARIANTS.items()
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

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/zoo.md says of every member how many parameters it has."""

import pathlib
import re

from flamingo_jax.convert.rules import abstract_tower
from flamingo_jax.models import variants

PAGE = pathlib.Path(__file__).parents[1] / 'docs' / 'zoo.md'


def test_members_are_told_with_their_parameters():
  rows = re.findall(r'^\| `(\w+)` \| ([\d,]+) \|', PAGE.read_text(), re.M)
  told = {name: int(count.replace(',', '')) for name, count in rows}
  assert told == {
      name: sum(x.size for x in abstract_tower(config, whole=True).values())
      for name, config in variants.VARIANTS.items()
  }

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Rules read backwards."""

import json

import numpy as np
import pytest

from flamingo_jax.convert import inverse
from flamingo_jax.convert.families import find_mapping, read_config
from flamingo_jax.convert.hub_folder import Tensors
from flamingo_jax.convert.rules import Rule
from flamingo_jax.convert.safetensors_files import SafetensorsFiles
from tests.convert import language_models_test
from tests.convert import timm_test
from tests.convert import vision_encoders_test

# What computes: parts of names, by family.
COMPUTED = {
    'gemma': ('norm.weight', 'q_proj.weight'), 'dinov2': ('position',),
    'nfnet': ('conv',), 'vit_registers': ('pos_embed', 'reg_token'),
    'opt': ('embed_positions',),  # two rows are left out
}
SOURCES = [
    *((language_models_test.write_model, x) for x in language_models_test.NAMES),
    *((vision_encoders_test.write_encoder, x) for x in vision_encoders_test.TOLD),
    *((timm_test.write_timm, x) for x in timm_test.TOLD),
]


@pytest.mark.parametrize('write, name', SOURCES)
def test_what_rules_make_tells_the_tensors(tmp_path, write, name):
  """But for those that compute, which are known."""
  write(tmp_path, name)
  tensors = Tensors(tmp_path)
  mapping = find_mapping(tmp_path, *read_config(tmp_path), tensors)
  lost, undone = [], 0
  for rule in mapping.rules():
    given = [tensors.read(source) for source in rule.sources]
    found = inverse.lost(rule, given, [
        np.asarray(x, np.float32) for x in rule.make(*given)
    ])
    undone += not found
    lost += found
    if found:
      assert not inverse.is_exact(rule, [x.shape for x in given])
  known = next((x for k, x in COMPUTED.items() if name.startswith(k)), ())
  assert undone
  assert [x for x in lost if not any(part in x for part in known)] == []


@pytest.mark.parametrize('make', [
    lambda x: (x + 1,), lambda x: (x * 2,), lambda x: (x - 1,),
    lambda x: (np.abs(x[::-1] - x),), lambda x: (x[:-1],),
    lambda x: (x[:2], x[:2]), lambda x: (np.cumsum(x),),
])
def test_what_computes_or_leaves_out_is_no_move(make):
  rule = Rule('x', ('a',), make)
  assert not inverse.is_exact(rule, [(4,)])
  assert inverse.undo(rule, [np.asarray(y) for y in make(np.arange(4))],
                      [(4,)]) is None


def test_moves_come_back():
  """Of two tensors, one of them moved twice, with zeros around."""
  x, y = np.arange(6.0).reshape(2, 3), np.arange(4.0)
  rule = Rule('x', ('a', 'b'), lambda x, y: (
      np.pad(x.T, ((1, 0), (0, 1))), np.concatenate([y[::-1], y[:2]])
  ), beside=('y',))
  made = rule.make(x, y)
  found = inverse.undo(rule, made, [x.shape, y.shape])
  np.testing.assert_array_equal(found[0], x)
  np.testing.assert_array_equal(found[1], y)
  made[0][0, 0] = 1  # where the rule has 0
  assert inverse.undo(rule, made, [x.shape, y.shape]) is None


def test_files_are_shards_where_they_are_large(tmp_path):
  tensors = {
      f'{i}': np.random.default_rng(i).standard_normal((i, 5)).astype(np.float32)
      for i in range(1, 6)
  }
  files = SafetensorsFiles(tmp_path, {
      name: (x.dtype, x.shape) for name, x in tensors.items()
  }, shard=100)
  for name in reversed(tensors):
    for row in tensors[name]:
      files.write(name, row)
  files.finish()
  found = Tensors(tmp_path)
  assert list(found) == list(tensors)
  for name, x in tensors.items():
    np.testing.assert_array_equal(found.read(name), x)
  index = json.loads((tmp_path / 'model.safetensors.index.json').read_text())
  assert index['metadata']['total_size'] == 4 * 5 * sum(range(1, 6))
  assert len(set(index['weight_map'].values())) == 4

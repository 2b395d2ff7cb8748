# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The large models under t5x's partitioner, for shapes only."""

import pytest

from flamingo_jax.data.vocabulary import default_vocabulary

VOCABULARY = default_vocabulary()
MESH = "{'replica': 2, 'fsdp': 4, 'model': 2}"


def run(size, data, mesh=MESH):
  """An entry of a plan that lowers configs/flamingo_<size>.gin."""
  return {
      'name': size,
      'files': [f'configs/flamingo_{size}.gin'],
      'devices': 16,
      'lower': True,
      'bindings': [
          "MODEL_DIR='none'", f"DATA_DIR='{data}'", "VISION_ENCODER='one'",
          "LANGUAGE_MODEL='other'", f'VOCABULARY={VOCABULARY.path!r}',
          f'variant.overrides={{"decoder.vocab": {VOCABULARY.base_size}}}',
          f'MESH_SHAPE={mesh}',
      ],
  }


@pytest.fixture(scope='module')
def lowered(run_plan, papers_data):
  runs = [run(size, papers_data) for size in ('9b', '80b')]
  refused = run('9b', papers_data, "{'fsdp': 2, 'model': 3}")
  runs.append(refused | {'name': 'refused', 'devices': 6})
  return run_plan('t5x', 16, runs)


@pytest.mark.parametrize('size, least', [('9b', 9e9), ('80b', 75e9)])
def test_large_models_lower(lowered, size, least):
  seen = lowered[size]
  assert 'error' not in seen, seen
  assert seen['parameters'] > least
  assert seen['without_axes'] == [] and seen['without_rule'] == []
  assert seen['has_barrier'] and seen['is_split']


def test_a_parameter_that_the_mesh_does_not_divide_is_named(lowered):
  error = lowered['refused']['error']
  assert error.startswith('target/decoder/')
  assert ' mlp, which the mesh axis model of 3 does not divide' in error

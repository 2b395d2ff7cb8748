# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""The largest model under t5x's partitioner, for shapes only."""

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
  refused = run('80b', papers_data, "{'fsdp': 2, 'model': 3}")
  return run_plan(16, [
      run('80b', papers_data), refused | {'name': 'refused', 'devices': 6}
  ])


def test_the_largest_model_lowers(lowered):
  seen = lowered['80b']
  assert 'error' not in seen, seen
  assert seen['parameters'] > 75e9
  assert seen['without_axes'] == [] and seen['without_rule'] == []
  assert seen['is_split']


def test_a_parameter_that_the_mesh_does_not_divide_is_named(lowered):
  error = lowered['refused']['error']
  assert error.startswith('target/decoder/')
  assert ' mlp, which the mesh axis model of 3 does not divide' in error

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights on their way into the package."""

import json
import pathlib
import shutil

import chex
import pytest

from flamingo_jax import shipped
from flamingo_jax.errors import UserError
from flamingo_jax.run_dir import weights
from launch import ship_weights


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
  """A run: what is shipped, where training and evaluation would put it."""
  monkeypatch.setattr(ship_weights, 'ROOT', tmp_path / 'package')
  path = tmp_path / 'run'
  shutil.copytree(shipped.shipped_weights(), path)
  (path / 'eval').mkdir()
  results = json.loads((path / 'results.json').read_text(encoding='utf-8'))
  results['model_dir'] = str(path)
  (path / 'eval' / 'results.json').write_text(json.dumps(results))
  return path


def test_a_run_s_weights_are_shipped_without_naming_its_folder(
    model_dir, tmp_path
):
  ship_weights.main(model_dir, 'again')
  target = tmp_path / 'package' / 'flamingo_jax' / 'weights' / 'again'
  params, step = weights.load_params(target)
  expected, expected_step = weights.load_params(model_dir)
  assert step == expected_step
  chex.assert_trees_all_equal(params, expected)
  results = json.loads((target / 'results.json').read_text(encoding='utf-8'))
  assert results['model_dir'] == 'again' and results['scores']
  for file in filter(pathlib.Path.is_file, target.rglob('*')):
    assert str(tmp_path).encode() not in file.read_bytes(), file
  with pytest.raises(UserError, match='exists: remove it first'):
    ship_weights.main(model_dir, 'again')


@pytest.mark.parametrize('file', ship_weights.FILES)
def test_what_is_missing_is_named_and_nothing_written(
    model_dir, tmp_path, file
):
  (model_dir / file).unlink()
  with pytest.raises(UserError, match=f'has no {file}'):
    ship_weights.main(model_dir, 'again')
  assert not (tmp_path / 'package').exists()

# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that come with the package, and folders that do not."""

import os
import pathlib

import pytest

import flamingo_jax as fj
from flamingo_jax import shipped
from flamingo_jax.evaluation import output_dir

FOLDER = pathlib.Path(fj.__file__).parent / 'weights'


@pytest.fixture
def folder(tmp_path, monkeypatch):
  """Stands for the weights of the package; it has those of 'some'."""
  monkeypatch.setattr(shipped, '_FOLDER', tmp_path / 'weights')
  (tmp_path / 'weights' / 'some').mkdir(parents=True)
  (tmp_path / 'weights' / 'some' / 'model.json').write_text('{}')
  return tmp_path / 'weights'


def test_the_folder_of_a_model_is_its_model_dir(folder):
  assert shipped.shipped_weights('some') == str(folder / 'some')


def test_what_is_not_shipped_is_told(folder):
  sentence = "no weights of 'other' come with this package: give a model_dir"
  (folder / 'other').mkdir()  # what an interrupted installation leaves
  with pytest.raises(fj.UserError, match=sentence):
    shipped.shipped_weights('other')


def test_without_a_folder_the_shipped_model_is_meant(folder):
  with pytest.raises(fj.UserError, match="no weights of 'flamingo_tiny' come"):
    fj.load()
  (folder / 'flamingo_tiny').mkdir()
  (folder / 'flamingo_tiny' / 'model.json').write_text('{')
  with pytest.raises(fj.UserError, match='flamingo_tiny/model.json is damaged'):
    fj.load()


def test_folders_of_the_package_are_known(monkeypatch, tmp_path):
  place = lambda path: str(shipped.place_in_package(path))
  assert place(FOLDER / 'flamingo_tiny') == 'flamingo_tiny'
  step = FOLDER / 'flamingo_tiny' / 'checkpoint_5'
  assert place(str(step)) == 'flamingo_tiny/checkpoint_5'
  monkeypatch.chdir(FOLDER.parent)
  assert place('weights/flamingo_tiny') == 'flamingo_tiny'
  (tmp_path / 'link').symlink_to(FOLDER)
  assert place(tmp_path / 'link' / 'flamingo_tiny') == 'flamingo_tiny'
  for other in ('runs/flamingo_tiny', FOLDER.parent, 'gs://bucket/weights'):
    assert shipped.place_in_package(other) is None


def test_nothing_is_written_among_the_package_s_weights():
  path = os.fspath(FOLDER / 'flamingo_tiny')
  for name in (path, f'{path}/'):
    assert output_dir.evaluation_dir(name) == 'runs/flamingo_tiny/eval'
    assert output_dir.inference_dir(name) == 'runs/flamingo_tiny/infer'
  path += '/checkpoint_5'
  expected = 'runs/flamingo_tiny/eval_checkpoint_5'
  assert output_dir.evaluation_dir(path) == expected

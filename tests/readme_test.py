# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""What README tells to write runs as it is written there."""

import io
import pathlib
import re
import sys

import gin
import PIL.Image
import pytest

from flamingo_jax import gin_config
from flamingo_jax.data import documents
from flamingo_jax.data import pipeline
import tasks
from tests.shards import write_shards

ROOT = pathlib.Path(__file__).parents[1]


def train(*, train_dataset_cfg, get_dataset_fn, **unused):
  """A driver that reads one batch and stops there."""
  assert unused['model'] is not None
  return train_dataset_cfg, next(get_dataset_fn(train_dataset_cfg, 0, 1))


def block(begin):
  """The block of code in README that begins with a line."""
  text = (ROOT / 'README.md').read_text(encoding='utf-8')
  (found,) = re.findall(rf'```\w*\n({re.escape(begin)}.*?)```', text, re.S)
  return found


@pytest.fixture
def project(tmp_path, monkeypatch):
  """A folder with the configs, in which the package `tasks` goes on."""
  (tmp_path / 'configs').mkdir()
  for path in (ROOT / 'configs').iterdir():
    (tmp_path / 'configs' / path.name).symlink_to(path)
  (tmp_path / 'tasks').mkdir()
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(
      tasks, '__path__', [*tasks.__path__, str(tmp_path / 'tasks')]
  )
  yield tmp_path
  sys.modules.pop('tasks.my_data', None)
  vars(tasks).pop('my_data', None)


@pytest.mark.usefixtures('this_is_main')
def test_a_data_set_of_your_own(project):
  buffer = io.BytesIO()
  PIL.Image.new('RGB', (40, 30), 'red').save(buffer, 'PNG')
  picture = documents.image(buffer.getvalue())
  found = [
      documents.Document((picture, f'It is {i}.'), f'x:{i}', i)
      for i in range(9)
  ]
  for task in ('my_pages', 'my_captions'):
    for split in ('train', 'validation'):
      write_shards(found, project / 'data' / task / split)
  (project / 'tasks' / 'my_data.py').write_text(
      block('from flamingo_jax.data import features')
  )
  (project / 'configs' / 'mine.gin').write_text(
      block('from __gin__ import dynamic_registration\nfrom tasks import my_')
  )
  configured = gin.configurable(train)
  gin_config.parse(['configs/mine.gin'], ['MODEL_DIR=runs/mine'])
  cfg, batch = gin_config.one_sentence(configured)
  assert cfg.batch_sizes == {'my_pages': 8, 'my_captions': 32}
  assert pipeline.dataset_weights(cfg) == {'my_pages': 1.0, 'my_captions': 0.2}
  assert batch['my_pages/tokens'].shape == (8, 1, 256)
  assert batch['my_captions/media'].shape == (8, 4, 1, 1, 64, 64, 3)

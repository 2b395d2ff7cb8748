# SPDX-FileCopyrightText: 2026 The flamingo_jax Authors
# SPDX-License-Identifier: Apache-2.0
"""Which gin file a name stands for, anywhere."""

import gin
import pytest

from flamingo_jax import gin_config
from flamingo_jax import gin_search
from flamingo_jax.errors import UserError

MODEL = "include 'configs/models/flamingo_small.gin'\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  """An empty current folder, on Python's path; gin as it was, afterwards."""
  monkeypatch.setattr(gin.config, '_LOCATION_PREFIXES', [''])
  monkeypatch.setattr(gin.config, '_FILE_READERS', list(gin.config._FILE_READERS))
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(tmp_path)
  gin.clear_config()
  yield tmp_path
  gin.clear_config()


def write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text)
  return path


def value(name):
  return gin.query_parameter(f'{name}/macro.value')


def test_the_packages_files_are_found_in_an_empty_folder(folder, caplog):
  del folder
  gin_config.parse(['configs/models/flamingo_9b.gin'], [], complete=False)
  assert value('VARIANT') == 'flamingo_9b'
  assert not caplog.records


def test_ones_own_file_stands_beside_the_packages_and_wins(folder):
  write(folder / 'configs' / 'mine.gin', f'{MODEL}MINE = 1')
  gin_config.parse(['configs/mine.gin'], [], complete=False)
  assert (value('VARIANT'), value('MINE')) == ('flamingo_small', 1)
  write(folder / 'configs/models/flamingo_small.gin', "VARIANT = 'own'")
  gin_config.parse(['configs/mine.gin'], [], complete=False)
  assert value('VARIANT') == 'own'
  gin_config.parse(
      ['flamingo_jax/configs/models/flamingo_small.gin'], [], complete=False
  )
  assert value('VARIANT') == 'flamingo_small'


def test_what_lies_beside_a_file_elsewhere_wins_over_the_packages(
    folder, tmp_path_factory
):
  del folder
  for own in ('first', 'second'):  # what was read before does not matter
    elsewhere = tmp_path_factory.mktemp(own) / 'configs'
    mine = write(elsewhere / 'mine.gin', MODEL)
    write(elsewhere / 'models/flamingo_small.gin', f"VARIANT = '{own}'")
    gin_config.parse([str(mine)], [], complete=False)
    assert value('VARIANT') == own


def test_a_file_that_is_missing_or_includes_itself_is_one_sentence(folder):
  write(folder / 'configs/models/flamingo_small.gin', MODEL)
  write(folder / 'configs/mine.gin', "include 'configs/lost.gin'")
  for name, sentence in (
      ('configs/lost.gin', 'gin file configs/lost.gin does not exist'),
      ('configs/mine.gin', 'Unable to open file: configs/lost.gin'),
      ('configs/models/flamingo_small.gin',
       'configs/models/flamingo_small.gin includes itself'),
  ):
    with pytest.raises(UserError, match=sentence) as error:
      gin_config.parse([name], [], complete=False)
    assert '\n' not in str(error.value)


def test_gin_of_another_driver_finds_the_packages_files_last(folder):
  gin.add_config_file_search_path(str(folder / 'given'))
  gin_search.look_in_package()
  write(folder / 'configs' / 'mine.gin', MODEL)  # configs/ is no package
  gin.parse_config_file('configs/mine.gin')
  assert value('VARIANT') == 'flamingo_small'
  with pytest.raises(OSError, match='lost.gin'):
    gin.parse_config_file('configs/lost.gin')
  write(folder / 'given/configs/models/flamingo_small.gin', "VARIANT = 'own'")
  gin.parse_config_file('configs/mine.gin')
  assert value('VARIANT') == 'own'
